// SPDX-License-Identifier: Apache-2.0
//
// Where the answer comes from (router and upstream, a filter, the host itself), and its way back.
#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {

constexpr std::uint32_t kMostAttempts = 3;

bool may_repeat(std::string_view method, std::int32_t failure) {
  if (failure == GW_ATTEMPT_REFUSED || failure == GW_ATTEMPT_CONNECT_TIMEOUT ||
      failure == GW_ATTEMPT_OVERLOADED)
    return true;
  static constexpr std::array<std::string_view, 5> kIdempotent = {"GET", "HEAD", "PUT", "DELETE",
                                                                  "OPTIONS"};
  return std::find(kIdempotent.begin(), kIdempotent.end(), method) != kIdempotent.end();
}

std::string iso_time(std::int64_t wall_ms) {
  std::time_t seconds = wall_ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

std::string error_envelope(const Exchange::State& x, std::string_view code,
                           std::string_view message, std::uint32_t status) {
  nlohmann::ordered_json error;
  error["code"] = code;
  error["message"] = message.empty() ? code : message;
  error["status"] = status;
  error["path"] = x.first_path;
  nlohmann::ordered_json all;
  all["success"] = false;
  all["error"] = std::move(error);
  all["timestamp"] =
      iso_time(x.host->wall_offset_ms + static_cast<std::int64_t>(x.host->now_ns / 1'000'000));
  for (const char* name : {"trace.id", "request.id"}) {
    auto id = x.attributes.find(intern_attribute(name));
    if (all.contains("traceId") || id == x.attributes.end() || id->second.empty()) continue;
    all["traceId"] = id->second;
  }
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool Exchange::State::choose() {
  Stage& stage = *stages[filters];
  stage.entered = true;
  request_head_left = false;
  endpoint = gw_endpoint{};
  endpoint.struct_size = sizeof endpoint;
  std::unique_ptr<gw_attempt> lent(previous ? new gw_attempt(*previous) : nullptr);
  gw_verdict verdict = invoke(stage, Phase::kChoose, [&] {
    return stage.instance->router->choose(stage.part->part,
                                          reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot,
                                          lent.get(), &endpoint);
  });
  if (verdict != GW_CONTINUE) {
    resumed(stage, Phase::kChoose, verdict);
    return true;
  }
  if (endpoint.address.len == 0) {
    host->breach(stage.instance->name + ": chose an endpoint without an address");
    misused(stage, Phase::kChoose);
    return true;
  }
  if (++attempts == 1) first_attempt_ns = host->now_ns;
  attempt_open = request_head_left = true;
  at = At::kRequestBody;
  return true;
}

bool Exchange::State::call_upstream() {
  UpstreamRequest request;
  request.address = to_view(endpoint.address);
  bool unix_socket = request.address.starts_with("unix:");
  if ((endpoint.flags & GW_ENDPOINT_PRESERVE_HOST) != 0)
    request.host = authority.view();
  else if (endpoint.host.len != 0)
    request.host = to_view(endpoint.host);
  else
    request.host = unix_socket ? "localhost" : request.address;
  request.method = method.view();
  request.path = path.view();
  request.query = query.view();
  request.body = upstream_body;
  for (auto& header : request_headers.pairs())
    if (!is_framing_name(header.first)) request.headers.push_back(std::move(header));
  sent_upstream.push_back(request);

  UpstreamAnswer answer = upstream ? upstream(request) : UpstreamAnswer{};
  if (answer.failure != GW_ATTEMPT_ANSWERED) {
    attempt_failed(answer.failure);
    return true;
  }
  decide(GW_ATTEMPT_ANSWERED, answer.status);
  answer_status = answer.status;
  answer_headers.clear();
  for (const auto& [name, value] : answer.headers) answer_headers.add(name, value);
  answer_pieces = std::move(answer.body);
  code.clear();
  begin_answer(stages.size());
  return true;
}

void Exchange::State::attempt_failed(std::int32_t failure) {
  decide(failure, 0);
  if (attempts < kMostAttempts && may_repeat(method.view(), failure)) {
    at = At::kChoose;
    return;
  }
  switch (failure) {
    case GW_ATTEMPT_CONNECT_TIMEOUT:
    case GW_ATTEMPT_RESPONSE_TIMEOUT:
      return fail_by_host(504, "EXTERNAL_API_TIMEOUT", filters);
    case GW_ATTEMPT_OVERLOADED:
      return fail_by_host(503, "SERVICE_UNAVAILABLE", filters);
    default:
      return fail_by_host(502, "EXTERNAL_API_ERROR", filters);
  }
}

// Tells the router how the open attempt went.
void Exchange::State::decide(std::int32_t result, std::uint32_t status) {
  attempt_open = false;
  gw_attempt attempt{};
  attempt.struct_size = sizeof attempt;
  attempt.number = attempts;
  attempt.result = result;
  attempt.status = status;
  attempt.token = endpoint.token;
  attempt.duration_ns = 1;
  previous = attempt;
  Stage& stage = *stages[filters];
  if (!GW_HAS(stage.instance->router, outcome)) return;
  auto lent = std::make_unique<gw_attempt>(attempt);
  invoke(stage, Phase::kOutcome, [&] {
    stage.instance->router->outcome(stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle),
                                    &stage.slot, lent.get());
    return GW_CONTINUE;
  });
}

gw_status Exchange::State::take_answer(const Handle& handle, std::uint32_t status,
                                       const gw_header* headers, std::uint32_t count,
                                       const char* call) {
  bool may_answer = phase == Phase::kRequestHead || phase == Phase::kRequestBody ||
                    phase == Phase::kChoose || phase == Phase::kResponseHead;
  if (running == nullptr || running != handle.stage || !may_answer || replied) {
    answered_twice |= replied;
    host->breach(std::string(call) +
                 (replied ? ": a second answer" : ": not in a callback that may answer"));
    return GW_WRONG_STATE;
  }
  if (status < 200 || status > 599) return GW_INVALID;
  if (count > HeaderList::kMostHeaders) return GW_LIMIT;
  for (std::uint32_t i = 0; i < count; ++i)
    if (gw_status checked = check_header(to_view(headers[i].name), to_view(headers[i].value));
        checked != GW_OK)
      return checked;
  new_headers.clear();
  for (std::uint32_t i = 0; i < count; ++i)
    new_headers.emplace_back(to_view(headers[i].name), to_view(headers[i].value));
  new_status = status;
  new_body.clear();
  new_code.clear();
  replied = true;
  return GW_OK;
}

void Exchange::State::answer_by(Stage& stage) {
  answer_status = new_status;
  answer_headers.clear();
  for (const auto& [name, value] : new_headers) answer_headers.add(name, value);
  answer_pieces = {new_body};
  code = new_code;
  Stream* replaced = std::exchange(answer_stream, std::exchange(new_stream, nullptr));
  if (replaced != nullptr) close_stream(*replaced, GW_STREAM_SERVER_STOP);
  begin_answer(index_of(stage));
}

void Exchange::State::misused(Stage& stage, Phase of) {
  Stream* begun = std::exchange(new_stream, nullptr);
  if (begun != nullptr) close_stream(*begun, GW_STREAM_SERVER_STOP);
  if (of == Phase::kResponseBody)
    cut();
  else
    fail_by_host(500, "INTERNAL_SERVER_ERROR", index_of(stage));
}

void Exchange::State::fail_by_host(std::uint32_t status, std::string_view error_code,
                                   std::size_t limit) {
  answer_status = status;
  answer_headers.clear();
  answer_headers.add("Content-Type", "application/json");
  code = error_code;
  answer_pieces = {error_envelope(*this, error_code, {}, status)};
  Stream* replaced = std::exchange(answer_stream, nullptr);
  if (replaced != nullptr) close_stream(*replaced, GW_STREAM_SERVER_STOP);
  begin_answer(limit);
}

// Sends the answer back through the stages below `limit`.
void Exchange::State::begin_answer(std::size_t limit) {
  if (attempt_open) decide(GW_ATTEMPT_ABANDONED, 0);
  has_answer = request_head_left = true;
  answer_limit = next = limit;
  clear_bodies();
  at = At::kResponseHeads;
}

bool Exchange::State::response_heads() {
  if (next == 0) {
    answer_head_left = true;
    bool bodiless = method.view() == "HEAD" || answer_status == 204 || answer_status == 304;
    if (bodiless) answer_pieces.clear();
    at = answer_stream != nullptr ? At::kFinish : At::kResponseBody;
    return true;
  }
  Stage& stage = *stages[--next];
  auto* function = stage.router ? (GW_HAS(stage.instance->router, on_response_head)
                                       ? stage.instance->router->on_response_head
                                       : nullptr)
                                : (GW_HAS(stage.instance->filter, on_response_head)
                                       ? stage.instance->filter->on_response_head
                                       : nullptr);
  if (function == nullptr || !stage.entered) return true;
  gw_verdict verdict = invoke(stage, Phase::kResponseHead, [&] {
    return function(stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot);
  });
  resumed(stage, Phase::kResponseHead, verdict);
  return true;
}

}  // namespace gw::testing
