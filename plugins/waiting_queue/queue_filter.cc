// SPDX-License-Identifier: Apache-2.0
#include "queue_filter.h"

#include "answers.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kRenewEveryMs = 1000;

Operation operation_of(std::uint8_t action) {
  constexpr Operation kOperations[] = {Operation::kLineup, Operation::kStatus, Operation::kStatus,
                                       Operation::kLeaveAdmitted, Operation::kLeaveWaiting};
  return kOperations[action];
}

}  // namespace

QueueFilter::QueueFilter(Context context, Worker, const Settings& settings, Store& store,
                         StreamHub& hub, const Pace& pace, Measures& measures)
    : context_(context),
      settings_(settings),
      store_(store),
      hub_(hub),
      pace_(pace),
      measures_(measures),
      subject_(tables.attribute->intern("identity.subject")),
      request_id_(tables.attribute->intern("request.id")),
      trace_id_(tables.attribute->intern("trace.id")),
      endpoints_{{{settings.lineup_path, "POST", Action::kLineup},
                  {settings.status_path, "GET", Action::kStatus},
                  {settings.stream_path, "GET", Action::kStream},
                  {settings.admission_path, "DELETE", Action::kLeaveAdmitted},
                  {settings.waiting_path, "DELETE", Action::kLeaveWaiting}}} {
  if (settings.renew_on_any) renewed_.resize(kRecent);
  if (settings.store_down_admit_ms > 0) seen_admitted_.resize(kRecent);
}

const QueueFilter::Endpoint* QueueFilter::find(std::string_view path, std::string_view method,
                                               bool& path_known) const {
  path_known = false;
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.path != path) continue;
    path_known = true;
    if (endpoint.method == method) return &endpoint;
  }
  return nullptr;
}

Verdict QueueFilter::on_request_head(Exchange exchange, void*& slot) {
  gw_request request = exchange.request();
  std::string_view path = view(request.path), method = view(request.method);
  std::string_view user = exchange.attribute(subject_).value_or(std::string_view());
  bool ours = false;
  const Endpoint* endpoint = find(path, method, ours);
  bool gated = !ours && settings_.gated(method, path);
  if (!ours && !gated) {
    if (settings_.renew_on_any && !user.empty() && user.size() <= kMaxUserBytes) renew_aside(user);
    return GW_CONTINUE;
  }
  if (user.empty() || user.size() > kMaxUserBytes) return unauthenticated(exchange);
  if (gated) return begin(exchange, Operation::kGate, user, slot);
  return endpoint != nullptr ? serve(exchange, *endpoint, user, slot)
                             : method_not_allowed(exchange, path);
}

Verdict QueueFilter::serve(Exchange exchange, const Endpoint& endpoint, std::string_view user,
                           void*& slot) {
  // A status call renews by itself (`begin`); who ends the admission does not want it longer.
  if (settings_.renew_on_any && endpoint.action != Action::kStatus &&
      endpoint.action != Action::kLeaveAdmitted)
    renew_aside(user);
  if (endpoint.action == Action::kStream) return open_stream(exchange, user);
  return begin(exchange, operation_of(static_cast<std::uint8_t>(endpoint.action)), user, slot);
}

Verdict QueueFilter::open_stream(Exchange exchange, std::string_view user) {
  switch (hub_.open(exchange, user)) {
    case StreamHub::Opened::kYes:
      return GW_REPLIED;
    case StreamHub::Opened::kTooManyOfUser:
      return exchange.fail(429, "TOO_MANY_REQUESTS", {}, {{"Retry-After", "30"}});
    case StreamHub::Opened::kFull:
    case StreamHub::Opened::kRefused:
      break;
  }
  return unavailable(exchange);
}

QueueFilter::Call* QueueFilter::make() {
  if (free_.empty()) {
    calls_.push_back(std::make_unique<Call>());
    calls_.back()->filter = this;
    free_.push_back(calls_.back().get());
  }
  Call* call = free_.back();
  free_.pop_back();
  call->answered = call->abandoned = false;
  return call;
}

Verdict QueueFilter::begin(Exchange exchange, Operation operation, std::string_view user,
                           void*& slot) {
  Call* call = make();
  call->operation = operation;
  call->user.assign(user);
  const bool renews = operation == Operation::kStatus && settings_.renew_on_any;
  StoreError error = store_.submit(renews ? Operation::kGate : operation, user,
                                   operation_id(exchange), on_answer, call);
  if (error != StoreError::kNone) {
    release(call);
    return store_failed(exchange, operation, user, error);
  }
  slot = call;
  // The store gives up earlier by itself; this is for the case that it does not.
  call->waker = exchange.pause(2 * settings_.redis.command_timeout_ms + 500, GW_FAIL_CLOSED);
  return GW_PAUSE;
}

void QueueFilter::on_answer(void* data, const Answer& answer) {
  auto* call = static_cast<Call*>(data);
  if (call->abandoned) return call->filter->release(call);
  call->answer = answer;
  call->answered = true;
  wake(call->waker);
}

void QueueFilter::on_complete(Exchange, void*& slot, const gw_outcome&) {
  auto* call = static_cast<Call*>(std::exchange(slot, nullptr));
  if (call == nullptr) return;
  if (call->answered) {
    release(call);
  } else {
    call->abandoned = true;
  }
}

Verdict QueueFilter::on_resume(Exchange exchange, void*& slot) {
  const Call& call = *static_cast<const Call*>(slot);
  if (!call.answered) return unavailable(exchange);
  if (call.answer.error != StoreError::kNone)
    return store_failed(exchange, call.operation, call.user, call.answer.error);
  switch (call.operation) {
    case Operation::kGate:
      return answer_gate(exchange, call);
    case Operation::kStatus:
      saw(call.user, call.answer.place.standing == Standing::kAdmitted);
      return answer_status(exchange, call.answer.place);
    case Operation::kLineup:
      return answer_lineup(exchange, call);
    case Operation::kLeaveAdmitted:
    case Operation::kLeaveWaiting:
      break;
  }
  return answer_leave(exchange, call);
}

Verdict QueueFilter::answer_gate(Exchange exchange, const Call& call) {
  const Place& place = call.answer.place;
  measures_.gate(place.standing);
  saw(call.user, place.standing == Standing::kAdmitted);
  if (place.standing == Standing::kAdmitted) return GW_CONTINUE;
  if (place.standing == Standing::kWaiting)
    return success(exchange, 429, exchange.text("QUEUE_WAITING", "대기 중입니다."),
                   PlaceText(place, pace_).view());
  return exchange.fail(403, "NOT_IN_QUEUE", "대기열에 등록되지 않은 사용자입니다.");
}

Verdict QueueFilter::answer_status(Exchange exchange, const Place& place) {
  if (place.standing == Standing::kAdmitted)
    return success(exchange, 200, exchange.text("QUEUE_MAY_ENTER", "입장 가능합니다."));
  if (place.standing == Standing::kWaiting)
    return success(exchange, 200, {}, PlaceText(place, pace_).view());
  return exchange.fail(404, "USER_ID_NOT_FOUND");
}

Verdict QueueFilter::answer_lineup(Exchange exchange, const Call& call) {
  auto result = static_cast<Lineup>(call.answer.outcome);
  measures_.lined_up(result);
  saw(call.user, result != kQueued);
  hub_.touched(call.user);
  if (result == kAlreadyAdmitted)
    return success(exchange, 200,
                   exchange.text("QUEUE_ADMITTED_ALREADY", "이미 입장 가능한 상태입니다."));
  if (result == kAdmittedNow)
    return success(exchange, 200, exchange.text("QUEUE_ADMITTED_NOW", "바로 입장 가능합니다."));
  return success(exchange, 200, exchange.text("QUEUE_QUEUED", "대기열에 등록되었습니다."));
}

Verdict QueueFilter::answer_leave(Exchange exchange, const Call& call) {
  bool admitted = call.operation == Operation::kLeaveAdmitted;
  if (admitted) saw(call.user, false);
  if (call.answer.outcome != 0) {
    hub_.touched(call.user);
    return success(exchange, 200,
                   admitted
                       ? exchange.text("QUEUE_ADMISSION_ENDED", "입장 토큰이 무효화되었습니다.")
                       : exchange.text("QUEUE_PLACE_ENDED", "대기열 토큰이 무효화되었습니다."));
  }
  std::string_view message =
      admitted ? exchange.text("QUEUE_NO_ADMISSION", "무효화할 입장 토큰이 없습니다.")
               : exchange.text("QUEUE_NO_PLACE", "무효화할 대기열 토큰이 없습니다.");
  std::string_view trace_id = exchange.attribute(trace_id_).value_or(
      exchange.attribute(request_id_).value_or(std::string_view()));
  // Not Exchange::fail: the catalogue's text for NOT_FOUND would stand before ours.
  return exchange.reply(
      settings_.missing_token_status, {{"Content-Type", "application/json"}},
      failure_json({"NOT_FOUND", message, 404, exchange.path(), trace_id, context_.wall_ms()}));
}

Verdict QueueFilter::success(Exchange exchange, std::uint32_t status, std::string_view message,
                             std::string_view data) {
  return exchange.reply(status, {{"Content-Type", "application/json"}},
                        success_json(message, data, context_.wall_ms()));
}

Verdict QueueFilter::unavailable(Exchange exchange) {
  return exchange.fail(503, "SERVICE_UNAVAILABLE", {}, {{"Retry-After", "3"}});
}

Verdict QueueFilter::store_failed(Exchange exchange, Operation operation, std::string_view user,
                                  StoreError error) {
  if (operation == Operation::kGate && error == StoreError::kUnavailable &&
      !seen_admitted_.empty()) {
    const Recent& seen = recent(seen_admitted_, user);
    if (seen.at_ms != 0 && now_ms() - seen.at_ms < settings_.store_down_admit_ms)
      return GW_CONTINUE;
  }
  return unavailable(exchange);
}

Verdict QueueFilter::unauthenticated(Exchange exchange) {
  return exchange.fail(401, "USER_ID_REQUIRED", "로그인이 필요합니다.",
                       {{"WWW-Authenticate", "Bearer"}});
}

Verdict QueueFilter::method_not_allowed(Exchange exchange, std::string_view path) {
  std::string allowed;
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.path != path) continue;
    if (!allowed.empty()) allowed += ", ";
    allowed += endpoint.method;
  }
  return exchange.fail(405, "METHOD_NOT_ALLOWED", {}, {{"Allow", allowed}});
}

// Who may pass while the store is away.
void QueueFilter::saw(std::string_view user, bool admitted) {
  if (seen_admitted_.empty()) return;
  const std::uint64_t hash = std::hash<std::string_view>()(user);
  Recent& entry = seen_admitted_[hash % seen_admitted_.size()];
  if (admitted) {
    entry = {hash, now_ms()};
  } else if (entry.user == hash) {
    entry.at_ms = 0;
  }
}

// The user's place in a table; taken over, with time 0, when it was another's.
QueueFilter::Recent& QueueFilter::recent(std::vector<Recent>& table, std::string_view user) {
  std::uint64_t hash = std::hash<std::string_view>()(user);
  Recent& entry = table[hash % table.size()];
  if (entry.user != hash) entry = {hash, 0};
  return entry;
}

void QueueFilter::renew_aside(std::string_view user) {
  Recent& last = recent(renewed_, user);
  std::uint64_t now = now_ms();
  if (last.at_ms != 0 && now - last.at_ms < kRenewEveryMs) return;
  last.at_ms = now;
  store_.submit(
      Operation::kGate, user, {}, [](void*, const Answer&) {}, nullptr);
}

std::string QueueFilter::operation_id(Exchange exchange) const {
  auto given = exchange.attribute(request_id_);
  if (given && !given->empty() && given->size() <= kMaxOperationBytes) return std::string(*given);
  static constexpr char kDigits[] = "0123456789abcdef";
  unsigned char bytes[16];
  context_.random(bytes, sizeof bytes);
  std::string id;
  for (unsigned char byte : bytes) id += {kDigits[byte >> 4], kDigits[byte & 15]};
  return id;
}

}  // namespace gw::queue
