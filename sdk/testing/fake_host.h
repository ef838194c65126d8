// SPDX-License-Identifier: Apache-2.0
//
// A host for unit tests of plugins: every table of the ABI, no socket, no thread, a clock that the
// test moves. All workers run on the test's thread, one after the other. What the real host checks
// is checked here too (thread, state, views that die: they are poisoned after the call), and a
// breach fails the test.
#pragma once

#include <gateway/plugin.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::testing {

struct CallRequest {  // a call-out that the plugin made
  std::string method = {}, url = {}, body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};
struct CallAnswer {  // what the test lets it come to; status other than GW_OK: `error`
  gw_status status = GW_OK;
  std::uint32_t http_status = 200;
  std::string body = {};
  std::string error = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};
struct LogLine {
  std::int32_t level;
  std::string text;
};

class Instance;

class FakeHost {
 public:
  explicit FakeHost(std::uint32_t workers = 1);
  ~FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  const gw_host* host() const;
  std::uint32_t worker_count() const;

  // Runs all that is ready now: posts, wakes, answered calls, turn hooks, descriptors; until quiet.
  void run();
  // Moves both clocks in steps of 10 ms, running what falls due.
  void advance(std::uint32_t milliseconds);
  // Waits in real time, polling watched descriptors and moving the clock along, until `done` or the
  // limit. For plugins that speak to a real server. False at the limit.
  bool run_until(const std::function<bool()>& done, std::uint32_t limit_ms = 10000);
  // The wall clock, which starts at 2026-01-01T00:00:00Z; the monotonic clock is not touched.
  void set_wall_ms(std::int64_t wall_ms);
  std::int64_t wall_ms() const;

  // Answers call-outs; nothing = leave it pending (it ends with GW_TIMEOUT when its time is up).
  void on_call(std::function<std::optional<CallAnswer>(const CallRequest&)> answer);
  const std::vector<CallRequest>& calls() const;
  // Answers resolutions; unset: numeric addresses and localhost only.
  void on_resolve(std::function<std::vector<std::string>(std::string_view host)> answer);

  // What `listener_at` shows; set before an instance is created. Default: 127.0.0.1:8080, loopback.
  void set_listeners(std::vector<std::pair<std::string, bool>> address_and_loopback);
  // Environment for ${NAME:default}; the process's own is not read.
  void set_env(std::string name, std::string value);
  // Where relative paths of configurations start. Default: the current folder.
  void set_config_folder(std::string folder);
  // Streams: unsent bytes above which `write` gives GW_LIMIT. Default 64 KiB.
  void set_stream_cap(std::uint64_t bytes);

  // What gw.report/1 gives.
  void set_report(std::string name, std::string json);

  const std::vector<LogLine>& log() const;
  bool logged(std::string_view part) const;  // in any line
  // 0 when nothing of that name was reported; details as last reported.
  std::int32_t health(std::string_view component) const;
  std::string health_details(std::string_view component) const;
  // Sum of the cells whose labels include all of `labels` (histogram: number of observations).
  double metric(std::string_view family,
                const std::map<std::string, std::string>& labels = {}) const;
  // Tickets not yet dead: timers, watches, hooks, calls, resolutions. For leak checks.
  std::size_t live_tickets() const;

  // From now on a breach of the ABI's rules is only noted, for tests that break them on purpose.
  void collect_breaches();
  const std::vector<std::string>& breaches() const;

  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// One instance of a plugin that is linked into the test (or was loaded: its `gw_plugin_entry`).
// Construction checks manifest and configuration and calls `create`; the destructor takes
// everything down in order (stop, parts, destroy, finish) and fails the test when tickets are left
// behind.
class Instance {
 public:
  // `config` is the text of the [plugin.config] table, as TOML.
  Instance(FakeHost& host, const gw_plugin& plugin, std::string_view config,
           std::string name = "test");
  ~Instance();
  Instance(const Instance&) = delete;

  bool created() const;                                // false: see complaints
  const std::vector<std::string>& complaints() const;  // "config.toml:3:1: message"
  // Creates the parts, calls start and runs the host until it is over (moving the clock up to
  // `limit_ms`). The status given to `started`, or GW_TIMEOUT.
  // While descriptors are watched the clock keeps to real time, because a server has to answer.
  gw_status start(std::uint32_t limit_ms = 10000);
  const std::string& start_message() const;  // given to `started`
  // Calls `stop` and runs until `stopped`. False at the limit.
  bool stop(std::uint32_t limit_ms = 10000);

  const void* interface(const char* id) const;
  void* part(std::uint32_t worker = 0) const;
  void* raw() const;  // the plugin's own pointer
  // Runs a command; standard output and error as strings.
  struct CommandResult {
    std::int32_t status;
    std::string out, error;
  };
  CommandResult command(const std::string& name, const std::vector<std::string>& arguments);

  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// Hands what `from` has over to `to` (gateway/abi/handover.h), as a reload does: the state, if both
// have one and it is asked for, then the open streams.
struct HandOver {
  gw_status state = GW_NOT_FOUND;   // GW_OK: moved; GW_NOT_FOUND: there was none
  std::size_t moved = 0, kept = 0;  // streams
};
HandOver hand_over(Instance& from, Instance& to, bool with_state = true);

struct RequestSpec {
  std::string method = "GET";
  std::string target = "/";  // path and query
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::vector<std::string> body = {};                  // in pieces
  std::map<std::string, std::string> attributes = {};  // set before the first filter
  std::string authority = "localhost";
  std::uint32_t worker = 0;
};

// What a router's endpoint answers in a loopback exchange; `failure` other than
// GW_ATTEMPT_ANSWERED: the attempt fails that way.
struct UpstreamAnswer {
  std::int32_t failure = GW_ATTEMPT_ANSWERED;
  std::uint32_t status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::vector<std::string> body = {};
};
struct UpstreamRequest {
  std::string address, host, method, path, query, body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::optional<std::string> header(std::string_view name) const;
};

// One exchange through a pipeline of instances; the last may be a router. Starts at construction,
// goes on with FakeHost::run / advance.
class Exchange {
 public:
  Exchange(FakeHost& host, std::vector<Instance*> pipeline, RequestSpec request,
           std::function<UpstreamAnswer(const UpstreamRequest&)> upstream = {});
  ~Exchange();  // a client that is still there leaves
  Exchange(const Exchange&) = delete;

  bool done() const;  // answered whole, or detached to a stream, or aborted
  bool paused() const;
  bool streaming() const;    // a stream is open
  bool ended() const;        // the stream was ended by its owner
  void leave();              // the client goes away
  void drain();              // the server asks the stream to end
  void block(bool blocked);  // the client stops / resumes reading: unsent bytes pile up

  std::uint32_t status() const;
  std::optional<std::string> header(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& headers() const;
  const std::string& body() const;  // of a stream: all that was written so far
  std::string take_body();          // the same, and forgets it
  std::string error_code() const;   // of `fail`
  std::optional<std::string> attribute(const std::string& name) const;
  const std::vector<UpstreamRequest>& upstream_requests() const;
  int completions() const;  // on_complete calls seen by filters

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace gw::testing
