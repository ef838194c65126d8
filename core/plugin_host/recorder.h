// SPDX-License-Identifier: Apache-2.0
//
// Recorder: writes down what a filter of a running gateway is called with and what it does about
// it, so that a unit test can do the same over the fake host (sdk/testing/replay.cc). One JSON
// document a line, one line an exchange:
//
//   {"recording": 1, "instance": "hello", "plugin": "hello 0.1.0", "wall_ms": 1767225600000,
//    "calls": [{"call": "on_request_head", "in": {...}, "out": {"verdict": "continue", ...}}, ...]}
//
// `in` and `out` have method, path, query, headers and attributes of a request's head, status and
// headers of an answer's, data, last and consumed of a body, answer of who replied. Bytes above 127
// stand as the code points of that number. Streams end the recording when they begin.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/chain.h"

namespace gw::plugin_host {

// Of one instance, shared by the workers.
class Recorder {
 public:
  // Appends to the file `path` (made with mode 0600: it holds what visitors send, tokens too) until
  // `most` exchanges are in it. What fails is logged, and then no more is written.
  Recorder(base::Log log, const base::Clock& clock, std::string path, std::uint32_t most);

  // Whether to record one more.
  bool take();
  void write(const std::string& line);
  const base::Clock& clock() const { return clock_; }

 private:
  const base::Log log_;
  const base::Clock& clock_;
  const std::string path_;
  std::atomic<std::int64_t> left_;
  std::mutex mutex_;
};

// [worker] A filter's step with the recorder in between, and what must live as long as it.
struct RecordedStep {
  pipeline::FilterStep step;
  std::shared_ptr<void> kept;
};
RecordedStep record(const pipeline::FilterStep& real, const std::string& plugin,
                    std::shared_ptr<Recorder> recorder);

}  // namespace gw::plugin_host
