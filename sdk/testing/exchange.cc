// SPDX-License-Identifier: Apache-2.0
//
// What a test sees of an exchange, and how one begins.
#include <cstdint>

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

void Exchange::State::add_stage(Instance::State& instance, bool router) {
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
}

void Exchange::State::begin(const std::vector<Instance*>& pipeline) {
  host->exchanges.push_back(this);
  started_ns = host->now_ns;
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

}  // namespace gw::testing
