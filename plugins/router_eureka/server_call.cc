// SPDX-License-Identifier: Apache-2.0
#include "server_call.h"

namespace gw::router {

void ServerCall::start(std::string method, std::string path, std::string body, Done done,
                       std::uint32_t timeout_ms) {
  ticket_.reset();
  method_ = std::move(method), path_ = std::move(path), body_ = std::move(body);
  done_ = std::move(done);
  timeout_ms_ = timeout_ms;
  error_.clear();
  first_ = servers_.preferred(), tried_ = 0;
  ask();
}

void ServerCall::ask() {
  std::string url = servers_.url(first_ + tried_) + path_;
  gw_header headers[] = {{str("Accept"), str("application/json")},
                         {str("Content-Type"), str("application/json")}};
  gw_call_request request{};
  request.struct_size = sizeof request;
  request.timeout_ms = timeout_ms_;
  request.connect_timeout_ms = kConnectTimeoutMs;
  request.method = str(method_);
  request.url = str(url);
  request.headers = headers;
  request.header_count = body_.empty() ? 1 : 2;
  request.body = str(body_);
  request.max_answer_bytes = max_answer_bytes_;
  gw_ticket* ticket = tables.call->call(worker_.raw(), &request, &ServerCall::answered, this);
  if (ticket == nullptr) return next_or_give_up("not a usable URL");
  ticket_ = Ticket(ticket, tables.call->cancel);
}

void ServerCall::answered(void* user, const gw_call_answer* answer) {
  auto* self = static_cast<ServerCall*>(user);
  self->ticket_.release();
  try {
    self->on_answer(*answer);
  } catch (...) {  // out of memory: the owner's timers go on
  }
}

void ServerCall::on_answer(const gw_call_answer& answer) {
  if (answer.status != GW_OK) return next_or_give_up(view(answer.error));
  if (answer.http_status >= 500)
    return next_or_give_up("answered " + std::to_string(answer.http_status));
  servers_.worked(first_ + tried_);
  Done done = std::move(done_);
  done({answer.http_status, view(answer.body), {}});
}

void ServerCall::next_or_give_up(std::string_view why) {
  if (!error_.empty()) error_ += "; ";
  error_ += without_credentials(servers_.url(first_ + tried_)) + ": ";
  error_ += why;
  if (++tried_ < servers_.size()) return ask();
  Done done = std::move(done_);
  done({0, {}, error_});
}

}  // namespace gw::router
