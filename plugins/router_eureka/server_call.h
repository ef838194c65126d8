// SPDX-License-Identifier: Apache-2.0
//
// One call to the Eureka servers at a time: asks one after the other until one answers. Home worker
// only.
#pragma once

#include <functional>
#include <gateway/plugin.hpp>
#include <string>
#include <string_view>

#include "eureka_protocol.h"

namespace gw::router {

struct ServerAnswer {
  std::uint32_t status = 0;  // 0: no server answered
  std::string_view body;     // during the callback
  std::string error;         // when none answered: why, per server
};

// Destroying it, or starting another, drops the call under way.
class ServerCall {
 public:
  using Done = std::function<void(const ServerAnswer&)>;

  // `servers` outlives it and is not empty.
  ServerCall(Worker worker, Servers& servers, std::uint64_t max_answer_bytes)
      : worker_(worker), servers_(servers), max_answer_bytes_(max_answer_bytes) {}
  ServerCall(const ServerCall&) = delete;

  // `path` is relative to a server's URL. A server that answers 5xx counts as one that did not
  // answer. `done` may start the next call.
  void start(std::string method, std::string path, std::string body, Done done,
             std::uint32_t timeout_ms = kTimeoutMs);
  void cancel() { ticket_.reset(); }

 private:
  static constexpr std::uint32_t kTimeoutMs = 8000;
  static constexpr std::uint32_t kConnectTimeoutMs = 5000;

  void ask();
  static void answered(void* user, const gw_call_answer* answer);
  void on_answer(const gw_call_answer& answer);
  void next_or_give_up(std::string_view why);

  Worker worker_;
  Servers& servers_;
  std::uint64_t max_answer_bytes_;
  Ticket ticket_;
  std::string method_, path_, body_, error_;
  std::uint32_t timeout_ms_ = kTimeoutMs;
  std::size_t first_ = 0, tried_ = 0;
  Done done_;
};

}  // namespace gw::router
