// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "testing/exchange_state.h"

namespace gw::testing {

Exchange::Exchange(FakeHost& host, std::vector<Instance*> pipeline, RequestSpec request,
                   std::function<UpstreamAnswer(const UpstreamRequest&)> upstream)
    : state_(std::make_shared<State>()) {
  state_->host = &host.state();
  state_->spec = std::move(request);
  state_->upstream = std::move(upstream);
  state_->begin(pipeline);
  state_->go();
}

Exchange::~Exchange() {
  state_->leave();
  std::erase(state_->host->exchanges, state_.get());
}

bool Exchange::done() const {
  return state_->finished;
}
bool Exchange::paused() const {
  return state_->is_paused;
}
bool Exchange::streaming() const {
  return state_->stream != nullptr;
}
bool Exchange::ended() const {
  return state_->stream_ended && state_->unsent_after_end.empty();
}
void Exchange::leave() {
  state_->leave();
}

void Exchange::drain() {
  Stream* stream = state_->stream;
  if (stream == nullptr || !GW_HAS(stream->events, on_drain)) return;
  InCallback in(*state_->host, stream->owner_part);
  stream->events->on_drain(stream->owner);
}

void Exchange::block(bool blocked) {
  state_->blocked = blocked;
  if (blocked) return;
  state_->sent_body += std::exchange(state_->unsent_after_end, {});
  Stream* stream = state_->stream;
  if (stream == nullptr) return;
  state_->sent_body += std::exchange(stream->unsent, {});
  if (!std::exchange(stream->wants_room, false) || !GW_HAS(stream->events, on_writable)) return;
  InCallback in(*state_->host, stream->owner_part);
  stream->events->on_writable(stream->owner);
}

std::uint32_t Exchange::status() const {
  return state_->finished ? state_->answer_status : 0;
}

std::optional<std::string> Exchange::header(std::string_view name) const {
  for (const auto& [known, value] : state_->final_headers)
    if (same_name(known, name)) return value;
  return std::nullopt;
}
const Pairs& Exchange::headers() const {
  return state_->final_headers;
}
const std::string& Exchange::body() const {
  return state_->sent_body;
}
std::string Exchange::take_body() {
  return std::exchange(state_->sent_body, {});
}
std::string Exchange::error_code() const {
  return state_->code;
}

std::optional<std::string> Exchange::attribute(const std::string& name) const {
  auto found = state_->final_attributes.find(name);
  if (found != state_->final_attributes.end()) return found->second;
  auto open = state_->attributes.find(intern_attribute(name));
  if (open == state_->attributes.end()) return std::nullopt;
  return std::string(open->second);
}

const std::vector<UpstreamRequest>& Exchange::upstream_requests() const {
  return state_->sent_upstream;
}
int Exchange::completions() const {
  return state_->completions;
}

std::optional<std::string> UpstreamRequest::header(std::string_view name) const {
  for (const auto& [known, value] : headers)
    if (same_name(known, name)) return value;
  return std::nullopt;
}

void Exchange::State::begin(const std::vector<Instance*>& pipeline) {
  host->exchanges.push_back(this);
  started_ns = host->now_ns;
  auto add_stage = [&](Instance::State& instance, bool router) {
    if (spec.worker >= instance.parts.size()) {
      host->breach("exchange: instance " + instance.name + " was not started");
      return;
    }
    auto stage = std::make_unique<Stage>();
    stage->instance = &instance;
    stage->part = instance.parts[spec.worker].get();
    stage->router = router;
    stage->handle = &host->handles.emplace_back(Handle{host, this, stage.get()});
    stages.push_back(std::move(stage));
  };
  for (Instance* instance : pipeline)
    if (instance->state().filter != nullptr) add_stage(instance->state(), false);
  filters = stages.size();
  if (!pipeline.empty() && pipeline.back()->state().router != nullptr)
    add_stage(pipeline.back()->state(), true);

  std::size_t mark = spec.target.find('?');
  first_path = spec.target.substr(0, mark);
  method = ViewCopy(spec.method), path = ViewCopy(first_path), authority = ViewCopy(spec.authority);
  query = ViewCopy(mark == std::string::npos ? std::string_view()
                                             : std::string_view(spec.target).substr(mark + 1));
  request_headers.add("Host", spec.authority);
  for (const auto& [name, value] : spec.headers) request_headers.add(name, value);
  std::size_t length = 0;
  for (const auto& bytes : spec.body) length += bytes.size();
  if (length != 0 && request_headers.find("Content-Length") == nullptr)
    request_headers.add("Content-Length", std::to_string(length));

  static std::uint64_t requests = 0;
  std::map<std::string, std::string> values = {
      {"client.address", "127.0.0.1"},
      {"client.scheme", "http"},
      {"request.id", "request-" + std::to_string(++requests)}};
  for (const auto& [name, value] : spec.attributes) values[name] = value;
  for (const auto& [name, value] : values) attributes[intern_attribute(name)] = keep(value);
  if (!is_canonical_path(first_path)) fail_by_host(400, "BAD_REQUEST", 0);
}

void Exchange::State::go() {
  if (walking) return;
  auto self = shared_from_this();
  walking = true;
  while (!is_paused && at != At::kDone && !leave_later && step()) {
  }
  walking = false;
  if (std::exchange(leave_later, false)) leave();
}

bool Exchange::State::step() {
  switch (at) {
    case At::kRequestHeads:
      return request_heads();
    case At::kChoose:
      return choose();
    case At::kRequestBody:
      return request_body();
    case At::kUpstream:
      return call_upstream();
    case At::kResponseHeads:
      return response_heads();
    case At::kResponseBody:
      return response_body();
    case At::kFinish:
      finish();
      return false;
    case At::kDone:
      return false;
  }
  return false;
}

bool Exchange::State::request_heads() {
  if (next == filters) {
    // An empty body ends before anything goes upstream, so that a filter's no comes in time.
    bool empty =
        std::all_of(spec.body.begin(), spec.body.end(), [](auto& bytes) { return bytes.empty(); });
    at = filters < stages.size() && !empty ? At::kChoose : At::kRequestBody;
    return true;
  }
  Stage& stage = *stages[next];
  stage.entered = true;
  gw_verdict verdict = invoke(stage, Phase::kRequestHead, [&] {
    return stage.instance->filter->on_request_head(
        stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot);
  });
  resumed(stage, Phase::kRequestHead, verdict);
  return true;
}

// What a callback, or on_resume in its place, came to.
void Exchange::State::resumed(Stage& stage, Phase of, gw_verdict verdict) {
  if (verdict == GW_PAUSE) return pause(stage, of);
  if (verdict == GW_REPLIED) return answer_by(stage);
  if (verdict == kMisuse) return misused(stage, of);
  if (of == Phase::kRequestHead) ++next;
  if (of == Phase::kRequestBody || of == Phase::kResponseBody)
    offered(stage, of == Phase::kRequestBody, stage.consumed_at_pause);
}

gw_verdict Exchange::State::invoke(Stage& stage, Phase of,
                                   const std::function<gw_verdict()>& call) {
  replied = pause_asked = false;
  new_stream = nullptr;
  phase = of;
  running = &stage;
  gw_verdict verdict;
  {
    InCallback in(*host, stage.part);
    verdict = call();
  }
  running = nullptr;
  phase = Phase::kNone;
  return checked(stage, of, verdict);
}

gw_verdict Exchange::State::checked(Stage& stage, Phase of, gw_verdict verdict) {
  const std::string who = stage.instance->name + ": ";
  bool answered = replied || new_stream != nullptr;
  if (verdict != GW_PAUSE && pause_asked) forget_pause();
  if (verdict == GW_CONTINUE && !answered) return verdict;
  if (verdict == GW_REPLIED && answered) return verdict;
  bool may_pause =
      of == Phase::kRequestHead || of == Phase::kRequestBody || of == Phase::kResponseBody;
  if (verdict == GW_PAUSE && pause_asked && may_pause && !answered) return verdict;
  if (pause_asked) forget_pause();
  if (verdict == GW_CONTINUE)
    host->breach(who + "answered the exchange, but returned GW_CONTINUE");
  else if (verdict == GW_REPLIED)
    host->breach(who + "returned GW_REPLIED without an answer");
  else if (verdict != GW_PAUSE)
    host->breach(who + "returned " + std::to_string(verdict) + ", which is no verdict");
  else if (!may_pause)
    host->breach(who + "returned GW_PAUSE where it is not allowed");
  else if (answered)
    host->breach(who + "answered the exchange, but returned GW_PAUSE");
  else
    host->breach(who + "returned GW_PAUSE without calling pause");
  return kMisuse;
}

void Exchange::State::pause(Stage& stage, Phase of) {
  is_paused = true;
  paused_stage = &stage;
  paused_phase = of;
  stage.was_paused = true;
}

void Exchange::State::forget_pause() {
  is_paused = pause_asked = false;
  host->disarm_pause(waker);
}

void Exchange::State::end_pause(bool by_deadline) {
  auto self = shared_from_this();
  Stage& stage = *paused_stage;
  Phase of = paused_phase;
  std::int32_t way = at_deadline;
  forget_pause();
  gw_verdict verdict = GW_CONTINUE;
  if (by_deadline && way == GW_FAIL_CLOSED) {
    if (of == Phase::kResponseBody)
      cut();
    else
      fail_by_host(503, "SERVICE_UNAVAILABLE", index_of(stage));
  } else {
    if (!by_deadline && GW_HAS(stage.instance->filter, on_resume)) {
      walking = true;
      verdict = invoke(stage, of, [&] {
        return stage.instance->filter->on_resume(
            stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot);
      });
      walking = false;
    }
    resumed(stage, of, verdict);
  }
  go();
}

void Exchange::State::leave() {
  if (walking) {
    leave_later = true;
    return;
  }
  if (at != At::kDone) cut();
  if (stream != nullptr) close_stream(*stream, GW_STREAM_CLIENT_GONE);
  if (at == At::kFinish) finish();
}

void Exchange::State::cut() {
  if (is_paused) forget_pause();
  if (attempt_open) decide(GW_ATTEMPT_ABANDONED, 0);
  aborted = true;
  if (!answer_head_left) answer_status = 0;
  if (new_stream != nullptr || answer_stream != nullptr)
    close_stream(*(new_stream != nullptr ? new_stream : answer_stream), GW_STREAM_CLIENT_GONE);
  at = At::kFinish;
}

void Exchange::State::finish() {
  final_headers = aborted && !answer_head_left ? Pairs() : answer_headers.pairs();
  Stream* bodiless = nullptr;  // a stream that nobody will read
  if (answer_stream != nullptr &&
      (method.view() == "HEAD" || answer_status == 204 || answer_status == 304))
    bodiless = std::exchange(answer_stream, nullptr);
  bool streams = answer_stream != nullptr && !aborted;
  if (streams) stream = answer_stream->alive ? answer_stream : nullptr;
  answer_stream = nullptr;
  at = At::kDone;
  complete_all(streams);
  finished = true;
  if (bodiless != nullptr) close_stream(*bodiless, GW_STREAM_CLIENT_GONE);
}

void Exchange::State::complete_all(bool streams) {
  auto self = shared_from_this();
  for (auto it = stages.rbegin(); it != stages.rend(); ++it) {
    Stage& stage = **it;
    if (!stage.entered || stage.completed) continue;
    stage.completed = true;
    auto* function =
        stage.router
            ? (GW_HAS(stage.instance->router, on_complete) ? stage.instance->router->on_complete
                                                           : nullptr)
            : (GW_HAS(stage.instance->filter, on_complete) ? stage.instance->filter->on_complete
                                                           : nullptr);
    if (function != nullptr) {
      ViewCopy error(code);
      gw_outcome outcome{};
      outcome.struct_size = sizeof outcome;
      outcome.status = answer_status;
      outcome.duration_ns = host->now_ns - started_ns;
      outcome.request_body_bytes = request_bytes;
      outcome.response_body_bytes = response_bytes;
      outcome.aborted = aborted ? 1 : 0;
      outcome.streaming = streams ? 1 : 0;
      outcome.error_code = error.str();
      invoke(stage, Phase::kComplete, [&] {
        function(stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot,
                 &outcome);
        return GW_CONTINUE;
      });
      if (!stage.router) ++completions;
    }
    stage.handle->alive = false;
  }
  for (auto& stage : stages) stage->handle->alive = false;
  for (const auto& [number, value] : attributes) final_attributes[attribute_name(number)] = value;
  attributes.clear();
  memory.clear();
  blocks.clear();
  request_headers.clear();
  answer_headers.clear();
}

std::size_t Exchange::State::index_of(const Stage& stage) const {
  for (std::size_t i = 0; i < stages.size(); ++i)
    if (stages[i].get() == &stage) return i;
  return stages.size();
}

}  // namespace gw::testing
