// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {

// How many instances there are of each plugin, in all hosts: `init` and `finish` surround them.
std::map<const gw_plugin*, int>& uses() {
  static std::map<const gw_plugin*, int> all;
  return all;
}

gw_context* raw_context(Instance::State& instance) {
  return reinterpret_cast<gw_context*>(&instance);
}

void set_up_context(Instance::State& instance) {
  instance.name_text = ViewCopy(instance.name);
  for (const auto& listener : instance.host->listeners)
    instance.listener_texts.emplace_back(listener.first);
}

// The manifest's demands and the configuration; false after complaints.
bool check(Instance::State& instance, std::string_view text) {
  settings::Complaints complaints;
  instance.manifest = settings::parse_manifest(instance.plugin->manifest, "manifest", complaints);
  if (instance.manifest) {
    for (const auto& table : instance.manifest->required)
      if (instance.host->host.get_interface(&instance.host->host, table.c_str()) == nullptr)
        complaints.add("manifest", {}, "requires " + table + ", which this host does not have");
    if (instance.manifest->abi >> 16 != GW_ABI_MAJOR || instance.manifest->abi > GW_ABI)
      complaints.add("manifest", {}, "asks for another ABI");
  }
  auto document = settings::parse_text(text, "config.toml", instance.host->folder, complaints);
  if (complaints.empty()) {
    settings::CheckInput input;
    input.document = document.get();
    input.table = &document->root;
    input.position = document->root.position;
    input.where = "[plugin.config] of " + instance.name;
    FakeHost::State* host = instance.host;
    instance.config = settings::check(input, instance.manifest->config,
                                      [host](std::string_view name) -> std::optional<std::string> {
                                        auto found = host->env.find(std::string(name));
                                        if (found == host->env.end()) return std::nullopt;
                                        return found->second;
                                      });
    complaints.append(instance.config->complaints);
  }
  instance.complaints = complaints.lines();
  return complaints.empty();
}

bool initialize(Instance::State& instance) {
  if (++uses()[instance.plugin] == 1) {
    gw_status status = instance.plugin->init(&instance.host->host);
    if (status != GW_OK) {
      --uses()[instance.plugin];
      instance.complaints.push_back("init failed with " + std::to_string(status));
      return false;
    }
  }
  instance.initialized = true;
  auto get = [&](const char* id) { return instance.plugin->get_interface(id); };
  instance.api = static_cast<const gw_instance_api*>(get(GW_INSTANCE_ID));
  instance.filter = static_cast<const gw_filter_api*>(get(GW_FILTER_ID));
  instance.router = static_cast<const gw_router_api*>(get(GW_ROUTER_ID));
  for (const auto& table : instance.manifest->provided)
    if (get(table.c_str()) == nullptr)
      instance.complaints.push_back("the plugin lacks " + table + " of its manifest");
  if (instance.api == nullptr) instance.complaints.push_back("the plugin lacks " GW_INSTANCE_ID);
  return instance.complaints.empty();
}

void create(Instance::State& instance) {
  gw_status status =
      instance.api->create(raw_context(instance), instance.config->root.abi(), &instance.raw);
  instance.complaints = instance.config->complaints.lines();
  if (status != GW_OK && instance.complaints.empty())
    instance.complaints.push_back("create failed with " + std::to_string(status));
  if (status == GW_OK && !instance.complaints.empty())
    instance.host->breach(instance.name + ": complained, but created the instance");
  instance.created = status == GW_OK;
}

// Waits for `done`, on the fake clock or, while a server may have to answer, in real time.
bool wait(FakeHost& host, std::uint32_t limit_ms, const std::function<bool()>& done) {
  host.run();
  for (std::uint32_t waited = 0; !done(); waited += 10) {
    if (waited >= limit_ms) return false;
    if (host.state().watches != 0)
      host.run_until(done, 10);
    else
      host.advance(10);
  }
  return true;
}

// Clients of this instance's streams and exchanges go first, as when a gateway stops.
void end_traffic(Instance::State& instance) {
  auto exchanges = instance.host->exchanges;
  for (Exchange::State* exchange : exchanges) {
    bool mine = std::any_of(exchange->stages.begin(), exchange->stages.end(),
                            [&](const auto& stage) { return stage->instance == &instance; });
    if (mine && exchange->at != Exchange::State::At::kDone) exchange->leave();
  }
  for (std::size_t i = 0; i < instance.host->streams.size(); ++i) {
    Stream& stream = instance.host->streams[i];
    if (stream.alive && stream.owner_part->instance == &instance)
      close_stream(stream, GW_STREAM_SERVER_STOP);
  }
}

void destroy_parts(Instance::State& instance) {
  FakeHost::State& host = *instance.host;
  for (auto& part : instance.parts) {
    if (!part->alive) continue;
    {
      InCallback in(host, part.get());
      instance.api->destroy_part(part->part);
    }
    part->alive = false;
    std::size_t left = host.cancel_all(part.get());
    if (left != 0)
      host.breach(instance.name + ": left " + std::to_string(left) + " tickets behind on worker " +
                  std::to_string(part->index));
  }
}

}  // namespace

Instance::Instance(FakeHost& host, const gw_plugin& plugin, std::string_view config,
                   std::string name)
    : state_(std::make_unique<State>()) {
  state_->owner = &host;
  state_->host = &host.state();
  state_->plugin = &plugin;
  state_->name = std::move(name);
  host.state().instances.push_back(state_.get());
  set_up_context(*state_);
  if (check(*state_, config) && initialize(*state_)) create(*state_);
}

Instance::~Instance() {
  FakeHost::State& host = *state_->host;
  if (!state_->parts.empty()) {
    if (!state_->stopped && !stop()) host.breach(state_->name + ": did not stop in time");
    end_traffic(*state_);
    host.run();
    destroy_parts(*state_);
  }
  host.drop_posts(*state_);
  if (state_->created) state_->api->destroy(state_->raw);
  {
    std::lock_guard lock(host.mutex);
    std::erase_if(host.health,
                  [&](const auto& entry) { return entry.first.second == state_.get(); });
  }
  std::erase(host.instances, state_.get());
  for (Instance::State* other : host.instances)
    if (other->successor == state_.get()) other->successor = nullptr;
  for (auto& part : state_->parts) host.old_parts.push_back(std::move(part));
  if (state_->initialized && --uses()[state_->plugin] == 0 && state_->plugin->finish != nullptr)
    state_->plugin->finish();
}

bool Instance::created() const {
  return state_->created;
}
const std::vector<std::string>& Instance::complaints() const {
  return state_->complaints;
}
const std::string& Instance::start_message() const {
  return state_->start_message;
}

gw_status Instance::start(std::uint32_t limit_ms) {
  State& s = *state_;
  if (!s.created || !s.parts.empty()) return GW_WRONG_STATE;
  for (std::uint32_t i = 0; i < s.host->workers; ++i) {
    auto& part = s.parts.emplace_back(std::make_unique<WorkerPart>());
    part->host = s.host, part->instance = &s, part->index = i, part->alive = true;
    InCallback in(*s.host, part.get());
    gw_status status =
        s.api->create_part(s.raw, reinterpret_cast<gw_worker*>(part.get()), &part->part);
    if (status == GW_OK) continue;
    part->alive = false;
    return status;
  }
  if (!GW_HAS(s.api, start)) {
    s.started = GW_OK;
    return GW_OK;
  }
  s.start_called = true;
  {
    InCallback in(*s.host, s.home());
    s.api->start(s.raw, s.home()->part);
  }
  if (!wait(*s.owner, limit_ms, [&] { return s.started.has_value(); })) return GW_TIMEOUT;
  return *s.started;
}

bool Instance::stop(std::uint32_t limit_ms) {
  State& s = *state_;
  if (s.parts.empty() || s.stop_called) return s.stopped;
  bool whole = std::all_of(s.parts.begin(), s.parts.end(), [](auto& part) { return part->alive; });
  if (!whole || !GW_HAS(s.api, stop)) {
    s.stopped = true;
    return true;
  }
  s.stop_called = true;
  {
    InCallback in(*s.host, s.home());
    s.api->stop(s.raw, s.home()->part);
  }
  return wait(*s.owner, limit_ms, [&] { return s.stopped; });
}

const void* Instance::interface(const char* id) const {
  return state_->initialized ? state_->plugin->get_interface(id) : nullptr;
}
void* Instance::part(std::uint32_t worker) const {
  return worker < state_->parts.size() ? state_->parts[worker]->part : nullptr;
}
void* Instance::raw() const {
  return state_->raw;
}

Instance::CommandResult Instance::command(const std::string& name,
                                          const std::vector<std::string>& arguments) {
  CommandResult result{2, {}, {}};
  auto* api = static_cast<const gw_command_api*>(interface(GW_COMMAND_ID));
  bool known = false;
  for (std::uint32_t i = 0; api != nullptr && i < api->command_count; ++i)
    known |= name == api->commands[i].name;
  if (!known || !state_->created) {
    ADD_FAILURE() << "the plugin has no command " << name << ", or was not created";
    return result;
  }
  ViewCopies views;
  std::vector<gw_str> lent;
  for (const auto& argument : arguments) lent.push_back(views.add(argument));
  gw_terminal terminal{};
  terminal.struct_size = sizeof terminal;
  terminal.argument_count = static_cast<std::uint32_t>(lent.size());
  terminal.arguments = lent.data();
  terminal.host = &result;
  terminal.write = [](void* host, std::int32_t fd, gw_str data) {
    auto* into = static_cast<CommandResult*>(host);
    (fd == 2 ? into->error : into->out) += to_view(data);
  };
  result.status = api->run(state_->raw, name.c_str(), &terminal);
  return result;
}

}  // namespace gw::testing
