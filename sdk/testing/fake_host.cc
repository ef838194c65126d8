// SPDX-License-Identifier: Apache-2.0
#include "testing/fake_host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {

constexpr std::uint32_t kMostAttributes = 4096;
constexpr std::int64_t kFirstWallMs = 1'767'225'600'000;  // 2026-01-01T00:00:00Z
constexpr std::uint32_t kStepMs = 10;

// What plugins reach without a handle.
struct Process {
  std::mutex mutex;
  std::map<std::uint64_t, FakeHost::State*> hosts;
  std::uint64_t last_host = 0;
  std::map<std::string, std::uint32_t, std::less<>> attributes;
  std::vector<std::string> attribute_names;
};
Process& process() {
  static Process only;
  return only;
}

const void* get_interface(const gw_host*, const char* id) {
  static const std::map<std::string_view, const void*> tables = {
      {GW_CONTEXT_ID, &kContextTable},
      {GW_CONFIG_ID, settings::config_table()},
      {GW_ATTRIBUTE_ID, &kAttributeTable},
      {GW_TEXT_ID, &kTextTable},
      {GW_EXCHANGE_ID, &kExchangeTable},
      {GW_STREAM_ID, &kStreamTable},
      {GW_WORKER_ID, &kWorkerTable},
      {GW_TIMER_ID, &kTimerTable},
      {GW_FD_ID, &kFdTable},
      {GW_TURN_ID, &kTurnTable},
      {GW_POST_ID, &kPostTable},
      {GW_RESOLVE_ID, &kResolveTable},
      {GW_CALL_ID, &kCallTable},
      {GW_OFFLOAD_ID, &kOffloadTable},
      {GW_LOG_ID, &kLogTable},
      {GW_CLOCK_ID, &kClockTable},
      {GW_RANDOM_ID, &kRandomTable},
      {GW_METRICS_ID, &kMetricsTable},
      {GW_HEALTH_ID, &kHealthTable},
      {GW_REPORT_ID, &kReportTable},
      {GW_SUCCESSOR_ID, &kSuccessorTable}};
  auto found = tables.find(id);
  return found == tables.end() ? nullptr : found->second;
}

}  // namespace

std::uint32_t intern_attribute(std::string_view name) {
  Process& all = process();
  std::lock_guard lock(all.mutex);
  if (auto known = all.attributes.find(name); known != all.attributes.end()) return known->second;
  if (name.empty() || all.attribute_names.size() == kMostAttributes) return 0;
  all.attribute_names.emplace_back(name);
  auto number = static_cast<std::uint32_t>(all.attribute_names.size());
  all.attributes.emplace(name, number);
  return number;
}

std::string attribute_name(std::uint32_t attribute) {
  Process& all = process();
  std::lock_guard lock(all.mutex);
  return attribute == 0 || attribute > all.attribute_names.size()
             ? ""
             : all.attribute_names[attribute - 1];
}

void FakeHost::State::wake(gw_waker waker) {
  Process& all = process();
  std::lock_guard lock(all.mutex);
  auto found = all.hosts.find(waker.slot >> 32);
  if (found == all.hosts.end()) return;
  std::lock_guard host_lock(found->second->mutex);
  found->second->wakes.push_back(waker);
}

FakeHost::State::State(std::uint32_t worker_count) : workers(worker_count) {
  wall_offset_ms = kFirstWallMs - static_cast<std::int64_t>(now_ns / 1'000'000);
  folder = std::filesystem::current_path().string();
  static constexpr std::string_view kVersion = "fake gateway " GW_VERSION;
  host = {sizeof(gw_host), GW_ABI, {kVersion.data(), kVersion.size()}, get_interface};
  Process& all = process();
  std::lock_guard lock(all.mutex);
  id = ++all.last_host;
  all.hosts[id] = this;
}

FakeHost::State::~State() {
  Process& all = process();
  std::lock_guard lock(all.mutex);
  all.hosts.erase(id);
}

void FakeHost::State::breach(const std::string& what) {
  std::lock_guard lock(breach_mutex);
  breaches.push_back(what);
  if (!collect) ADD_FAILURE() << "the plugin broke a rule of the ABI: " << what;
}

bool FakeHost::State::on_worker(const WorkerPart* part, const char* call) {
  if (std::this_thread::get_id() != thread) {
    breach(std::string(call) + ": on a thread that is not the worker's");
    return false;
  }
  if (current != nullptr && part != nullptr && current->index != part->index) {
    breach(std::string(call) + ": on worker " + std::to_string(current->index) +
           ", but it belongs to worker " + std::to_string(part->index));
    return false;
  }
  return true;
}

FakeHost::FakeHost(std::uint32_t workers) : state_(std::make_unique<State>(workers)) {
  std::signal(SIGPIPE, SIG_IGN);  // as in a gateway
}

FakeHost::~FakeHost() {
  EXPECT_TRUE(state_->instances.empty()) << "an instance outlives its host";
}

const gw_host* FakeHost::host() const {
  return &state_->host;
}
std::uint32_t FakeHost::worker_count() const {
  return state_->workers;
}
void FakeHost::run() {
  state_->run();
}

void FakeHost::advance(std::uint32_t milliseconds) {
  run();
  while (milliseconds != 0) {
    std::uint32_t step = std::min(milliseconds, kStepMs);
    milliseconds -= step;
    state_->now_ns += step * std::uint64_t{1'000'000};
    run();
  }
}

bool FakeHost::run_until(const std::function<bool()>& done, std::uint32_t limit_ms) {
  using Clock = std::chrono::steady_clock;
  auto begin = Clock::now(), last = begin;
  while (true) {
    run();
    if (done()) return true;
    bool only_descriptors = false;
    state_->turn(only_descriptors, 2);
    auto now = Clock::now();
    state_->now_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(now - last).count());
    last = now;
    if (done()) return true;
    if (now - begin > std::chrono::milliseconds(limit_ms)) return false;
  }
}

void FakeHost::set_wall_ms(std::int64_t wall_ms) {
  state_->wall_offset_ms = wall_ms - static_cast<std::int64_t>(state_->now_ns / 1'000'000);
}
std::int64_t FakeHost::wall_ms() const {
  return state_->wall_offset_ms + static_cast<std::int64_t>(state_->now_ns / 1'000'000);
}

void FakeHost::on_call(std::function<std::optional<CallAnswer>(const CallRequest&)> answer) {
  state_->on_call = std::move(answer);
}
const std::vector<CallRequest>& FakeHost::calls() const {
  return state_->calls;
}
void FakeHost::on_resolve(std::function<std::vector<std::string>(std::string_view)> answer) {
  state_->on_resolve = std::move(answer);
}
void FakeHost::set_listeners(std::vector<std::pair<std::string, bool>> listeners) {
  state_->listeners = std::move(listeners);
}
void FakeHost::set_env(std::string name, std::string value) {
  state_->env[std::move(name)] = std::move(value);
}
void FakeHost::set_config_folder(std::string folder) {
  state_->folder = std::move(folder);
}
void FakeHost::set_stream_cap(std::uint64_t bytes) {
  state_->stream_cap = bytes;
}

const std::vector<LogLine>& FakeHost::log() const {
  return state_->log;
}
bool FakeHost::logged(std::string_view part) const {
  std::lock_guard lock(state_->mutex);
  return std::any_of(state_->log.begin(), state_->log.end(), [&](const LogLine& line) {
    return line.text.find(part) != std::string::npos;
  });
}

std::int32_t FakeHost::health(std::string_view component) const {
  std::lock_guard lock(state_->mutex);
  std::int32_t worst = 0;
  for (const auto& [key, report] : state_->health)
    if (key.first == component) worst = std::max(worst, report.status);
  return worst;
}
std::string FakeHost::health_details(std::string_view component) const {
  std::lock_guard lock(state_->mutex);
  const HealthReport* worst = nullptr;
  for (const auto& [key, report] : state_->health)
    if (key.first == component && (worst == nullptr || report.status > worst->status))
      worst = &report;
  return worst == nullptr ? "" : worst->details;
}

double FakeHost::metric(std::string_view family,
                        const std::map<std::string, std::string>& labels) const {
  std::lock_guard lock(state_->mutex);
  double sum = 0;
  for (const Cell& cell : state_->cells) {
    if (cell.family->name != family) continue;
    bool fits = std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
      const auto& names = cell.family->labels;
      auto at = std::find(names.begin(), names.end(), wanted.first);
      return at != names.end() &&
             cell.labels[static_cast<std::size_t>(at - names.begin())] == wanted.second;
    });
    if (fits)
      sum += cell.family->type == GW_HISTOGRAM ? static_cast<double>(cell.count) : cell.value;
  }
  return sum;
}

std::size_t FakeHost::live_tickets() const {
  return state_->live.size();
}
void FakeHost::collect_breaches() {
  state_->collect = true;
}
const std::vector<std::string>& FakeHost::breaches() const {
  return state_->breaches;
}

}  // namespace gw::testing
