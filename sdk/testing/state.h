// SPDX-License-Identifier: Apache-2.0
//
// The fake host's memory. The ABI's opaque handles are the addresses of the structs here. Handles
// that died stay allocated, marked dead, until the host goes: using one is then a finding, not a
// crash.
#pragma once

#include <gateway/plugin.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "settings/checked.h"
#include "settings/manifest.h"
#include "testing/fake_host.h"
#include "testing/view_copy.h"

namespace gw::testing {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct WorkerPart {  // gw_worker
  FakeHost::State* host = nullptr;
  Instance::State* instance = nullptr;
  std::uint32_t index = 0;
  void* part = nullptr;
  bool alive = false;
};

struct Ticket {  // gw_ticket
  enum class Kind { kTimer, kFd, kTurn, kResolve, kCall, kOffload };
  Kind kind;
  WorkerPart* owner;
  void* user;
  std::uint64_t number = 0;
  bool live = true;
  bool running = false;

  std::uint64_t due_ns = 0;  // timer; resolution and call: the deadline
  std::uint64_t order = 0;   // timers due at one time fire in order of their start
  std::uint32_t repeat_ms = 0;
  void (*run)(void*) = nullptr;  // timer, turn; offload: the end of it

  std::int32_t fd = -1;
  std::uint32_t events = 0;
  void (*ready)(void*, std::uint32_t) = nullptr;

  bool armed = false;  // turn; resolution and call: not asked yet

  std::string host_name;
  void (*resolved)(void*, gw_status, const gw_str*, std::uint32_t) = nullptr;

  CallRequest request;
  std::uint64_t max_answer_bytes = 0;
  void (*answered)(void*, const gw_call_answer*) = nullptr;

  void (*work)(void*) = nullptr;
  void (*drop)(void*) = nullptr;
};

struct ByNumber {
  bool operator()(const Ticket* a, const Ticket* b) const { return a->number < b->number; }
};

struct Post {
  Instance::State* instance;
  std::uint32_t index;
  void (*run)(void* part, void* user);
  void (*drop)(void* user);
  void* user;
};

struct Family {
  std::uint32_t type;
  std::string name, help;
  std::vector<std::string> labels;
  std::vector<double> bounds;
};

struct Cell {  // gw_cell
  FakeHost::State* host;
  Family* family;
  WorkerPart* owner;
  std::vector<std::string> labels;
  double value = 0;
  std::uint64_t count = 0;
  std::vector<std::uint64_t> buckets;
};

struct HealthReport {
  std::int32_t status;
  std::string details;
};

struct FakeHost::State {
  explicit State(std::uint32_t workers);
  ~State();

  gw_host host{};
  std::uint64_t id = 0;  // upper half of a waker's slot: `wake` gets no other handle
  std::uint32_t workers;
  std::thread::id thread = std::this_thread::get_id();
  WorkerPart* current = nullptr;  // whose callback runs now; null: the test itself
  bool collect = false;
  std::mutex breach_mutex;
  std::vector<std::string> breaches;

  std::atomic<std::uint64_t> now_ns = 1'000'000'000;
  std::atomic<std::int64_t> wall_offset_ms = 0;  // wall = offset + monotonic

  std::deque<Ticket> tickets;
  std::set<Ticket*, ByNumber> live;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Ticket*> timers;  // by due time and order
  std::uint64_t timer_order = 0;
  std::size_t watches = 0;

  std::vector<CallRequest> calls;
  std::function<std::optional<CallAnswer>(const CallRequest&)> on_call;
  std::function<std::vector<std::string>(std::string_view)> on_resolve;

  std::vector<std::pair<std::string, bool>> listeners = {{"127.0.0.1:8080", true}};
  std::map<std::string, std::string> env;
  std::string folder;
  std::uint64_t stream_cap = 64 * 1024;
  std::map<std::string, std::string, std::less<>> reports;

  std::mutex mutex;  // guards the following, which any thread may reach
  std::deque<Post> posts;
  std::vector<gw_waker> wakes;
  std::vector<LogLine> log;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families;
  std::deque<Cell> cells;
  std::map<std::pair<std::string, const Instance::State*>, HealthReport> health;
  std::uint64_t random_seed = 0x9E3779B97F4A7C15u;

  std::vector<Instance::State*> instances;
  std::vector<std::unique_ptr<WorkerPart>> old_parts;  // dead tickets and cells still point to them
  std::vector<Exchange::State*> exchanges;             // open ones
  std::deque<struct Handle> handles;
  std::deque<struct Stream> streams;
  std::vector<struct Stream*> full_streams;  // a write gave GW_LIMIT
  std::vector<Exchange::State*> pauses;      // by waker slot; null: over
  std::vector<std::uint64_t> pause_generations;
  std::vector<std::uint32_t> free_pauses;
  std::multimap<std::uint64_t, gw_waker> pause_deadlines;

  // A breach of the ABI's rules: fails the test, unless it collects them. [any]
  void breach(const std::string& what);
  // Is this the host's thread, inside that worker's callback (or the test)? Else a breach.
  bool on_worker(const WorkerPart* part, const char* call);

  Ticket* make_ticket(Ticket::Kind kind, WorkerPart* owner, void* user);
  // Checks a ticket that a plugin passed; null with a breach when it is dead or of another kind.
  Ticket* check_ticket(gw_ticket* raw, Ticket::Kind kind, const char* call);
  void kill(Ticket* ticket);
  void schedule(Ticket* ticket, std::uint64_t due_ns);
  // Cancels all tickets of a part; how many there were.
  std::size_t cancel_all(const WorkerPart* part);
  void drop_posts(const Instance::State& instance);

  void arm_pause(Exchange::State& exchange, std::uint32_t timeout_ms);  // sets its waker
  void disarm_pause(gw_waker waker);
  void end_pause(gw_waker waker, bool by_deadline);
  static void wake(gw_waker waker);  // [any]

  // One round over all that is ready; true when anything ran.
  bool turn(bool& only_descriptors, int poll_ms);
  void run();

 private:
  bool run_posts();
  bool run_wakes();
  bool run_requests();
  bool run_timers();
  bool run_descriptors(int poll_ms);
  bool run_streams();
  bool run_hooks();
  void finish_call(Ticket* ticket, const CallAnswer& answer);
  void finish_resolution(Ticket* ticket);
  void finish_work(Ticket* ticket);
};

struct Instance::State {  // gw_context
  FakeHost* owner = nullptr;
  FakeHost::State* host = nullptr;
  const gw_plugin* plugin = nullptr;
  std::string name;
  std::optional<settings::Manifest> manifest;
  std::unique_ptr<settings::Checked> config;
  std::vector<std::string> complaints;
  std::vector<ViewCopy> listener_texts;
  ViewCopy name_text;

  const gw_instance_api* api = nullptr;
  const gw_filter_api* filter = nullptr;
  const gw_router_api* router = nullptr;
  bool initialized = false;
  bool created = false;
  void* raw = nullptr;
  std::vector<std::unique_ptr<WorkerPart>> parts;
  bool start_called = false, stop_called = false;
  std::optional<gw_status> started;
  std::string start_message;
  bool stopped = false;
  Instance::State* successor = nullptr;  // gw.successor/1

  WorkerPart* home() { return parts.empty() ? nullptr : parts.front().get(); }
};

// Marks the part whose callback runs.
class InCallback {
 public:
  InCallback(FakeHost::State& host, WorkerPart* part)
      : host_(host), before_(std::exchange(host.current, part)) {}
  ~InCallback() { host_.current = before_; }

 private:
  FakeHost::State& host_;
  WorkerPart* before_;
};

// Process-wide ways back from what has no handle: wakers and attribute names.
std::uint32_t intern_attribute(std::string_view name);
std::string attribute_name(std::uint32_t attribute);

// The tables, constant for the process.
extern const gw_context_api kContextTable;
extern const gw_attribute_api kAttributeTable;
extern const gw_text_api kTextTable;
extern const gw_exchange_api kExchangeTable;
extern const gw_stream_api kStreamTable;
extern const gw_worker_api kWorkerTable;
extern const gw_timer_api kTimerTable;
extern const gw_fd_api kFdTable;
extern const gw_turn_api kTurnTable;
extern const gw_post_api kPostTable;
extern const gw_resolve_api kResolveTable;
extern const gw_call_api kCallTable;
extern const gw_offload_api kOffloadTable;
extern const gw_log_api kLogTable;
extern const gw_clock_api kClockTable;
extern const gw_random_api kRandomTable;
extern const gw_metrics_api kMetricsTable;
extern const gw_health_api kHealthTable;
extern const gw_report_api kReportTable;
extern const gw_successor_api kSuccessorTable;

}  // namespace gw::testing
