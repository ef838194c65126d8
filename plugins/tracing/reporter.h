// SPDX-License-Identifier: Apache-2.0
//
// One worker's way to Zipkin: finished spans wait as JSON in one buffer, and are posted together, one
// call at a time. Nobody waits for it: what does not fit, and what a Zipkin that is away did not
// take, is dropped and counted in gateway_trace_spans_total{result}.
#pragma once

#include <array>
#include <functional>
#include <gateway/plugin.hpp>
#include <string>

#include "span.h"

namespace gw::tracing {

struct ReporterOptions {
  std::string endpoint;  // empty: nothing is reported
  std::uint32_t timeout_ms = 10000;
  std::uint32_t interval_ms = 1000;
  std::size_t max_buffer_bytes = 1 << 20;
};

// On its worker's thread.
class Reporter {
 public:
  // `options` outlives it.
  Reporter(Context context, Worker worker, const ReporterOptions& options);
  Reporter(const Reporter&) = delete;

  void add(const Span& span);
  // Sends what waits, then calls `done` once, perhaps inside this call.
  void drain(std::function<void()> done);

 private:
  static constexpr std::size_t kBatchBytes = 256 * 1024;  // is sent before its time
  static constexpr std::uint32_t kConnectTimeoutMs = 1000;
  static constexpr std::uint64_t kMostAnswerBytes = 64 * 1024;
  enum Result { kReported, kFailed, kFull };

  void schedule();
  void send();
  static void answered(void* user, const gw_call_answer* answer);
  void finish(bool taken, std::string_view why);
  void count(Result result, std::uint32_t spans);

  Context context_;
  Worker worker_;
  const ReporterOptions& options_;
  std::array<gw_cell*, 3> cells_{};  // by Result
  std::string waiting_;              // "[{...},{...}"
  std::uint32_t waiting_spans_ = 0, sent_spans_ = 0;
  bool away_ = false;  // Zipkin did not take the last batch
  Timer timer_;
  Ticket call_;
  std::function<void()> drained_;
};

}  // namespace gw::tracing
