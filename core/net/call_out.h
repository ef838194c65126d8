// SPDX-License-Identifier: Apache-2.0
//
// HTTP call-outs of the control plane (key sets, registries): libcurl's multi interface on a loop.
// For anything but requests of visitors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/loop.h"

namespace gw::net {

struct CallOutRequest {
  std::string method = "GET";
  std::string url;  // http or https; user:password@ becomes Basic
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::uint32_t timeout_ms = 10000;
  std::uint32_t connect_timeout_ms = 5000;
  std::uint64_t max_answer_bytes = 16 << 20;
};

struct CallOutAnswer {
  enum class Outcome { kAnswered, kTimeout, kTooLarge, kFailed } outcome = Outcome::kFailed;
  std::uint32_t status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;   // decompressed
  std::string error;  // for people, unless answered
};

// One per loop; its thread only. Pending calls are dropped, unanswered, with it.
class CallOutClient {
 public:
  explicit CallOutClient(Loop& loop);
  ~CallOutClient();

  class Call {  // destroying it cancels
   public:
    virtual ~Call() = default;
  };
  // Null: not a URL of http or https. `done` runs once and never inside this call; the Call may be
  // destroyed in it.
  std::unique_ptr<Call> start(const CallOutRequest& request,
                              std::function<void(const CallOutAnswer&)> done);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace gw::net
