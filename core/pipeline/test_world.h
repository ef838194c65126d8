// SPDX-License-Identifier: Apache-2.0
//
// A world for tests of the pipeline: connections, upstreams, time and plugins that do what the test
// says. What the real ones forbid fails the test here: using what is dead, calling out of turn.
#pragma once

#include <gateway/plugin.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "base/clock.h"
#include "http/transaction.h"
#include "http/tunnel.h"
#include "http/upstream.h"
#include "pipeline/chain.h"
#include "pipeline/dispatcher.h"
#include "pipeline/scheduler.h"
#include "pipeline/tables.h"

namespace gw::pipeline::testing {

inline gw_str str(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string text(gw_str s) {
  return std::string(s.ptr == nullptr ? "" : s.ptr, static_cast<std::size_t>(s.len));
}

class FakeClock final : public base::Clock {
 public:
  std::uint64_t monotonic_ns() const override { return now_ms * 1000000; }
  std::int64_t wall_ms() const override {
    return 1767225600000 + static_cast<std::int64_t>(now_ms);
  }
  std::uint64_t now_ms = 1000;
};

class FakeScheduler final : public Scheduler {
 public:
  explicit FakeScheduler(FakeClock& clock) : clock_(clock) {}
  void set_work(ScheduledWork* work) override { work_ = work; }
  void start_deadline(std::uint32_t slot, std::uint32_t delay_ms) override {
    due_[slot] = clock_.now_ms + delay_ms;
  }
  void cancel_deadline(std::uint32_t slot) override { due_.erase(slot); }
  void arm_turn_end() override { armed_ = true; }
  void post() override {
    std::lock_guard lock(mutex_);
    ++posts_;
    posted_.notify_all();
  }

  // Ends turns until nothing is left to do.
  void run() {
    while (take_post() || std::exchange(armed_, false)) work_->on_turn_end();
  }
  void advance(std::uint64_t milliseconds) {
    for (std::uint64_t end = clock_.now_ms + milliseconds; clock_.now_ms < end;) {
      ++clock_.now_ms;
      for (auto it = due_.begin(); it != due_.end();) {
        const auto [slot, due] = *it;
        if (due > clock_.now_ms) {
          ++it;
          continue;
        }
        due_.erase(it);
        work_->on_deadline(slot);
        it = due_.begin();
      }
      run();
    }
  }
  // Another thread posts: waits for it.
  void wait_for_post() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(posted_.wait_for(lock, std::chrono::seconds(60), [&] { return posts_ > 0; }));
  }
  std::size_t deadlines() const { return due_.size(); }
  int total_posts() {
    std::lock_guard lock(mutex_);
    return total_posts_;
  }

 private:
  bool take_post() {
    {
      std::lock_guard lock(mutex_);
      if (posts_ == 0) return false;
      --posts_;
      ++total_posts_;
    }
    work_->on_posted();
    return true;
  }
  FakeClock& clock_;
  ScheduledWork* work_ = nullptr;
  std::map<std::uint32_t, std::uint64_t> due_;
  bool armed_ = false;
  std::mutex mutex_;
  std::condition_variable posted_;
  int posts_ = 0;
  int total_posts_ = 0;
};

// What became of a detached stream; outlives it.
struct StreamRecord final : http::StreamSocket {
  Written stream_write(std::string_view data) override {
    EXPECT_FALSE(ended);
    if (gone) return Written::kGone;
    if (full) return Written::kFull;
    written += data;
    return Written::kOk;
  }
  void stream_end() override {
    EXPECT_FALSE(ended);
    ended = true;
  }
  void stream_dropped() override {}

  std::string written;
  bool ended = false;
  bool full = false;  // the test's wish
  bool gone = false;  // the test's wish
  http::DetachedStream* stream = nullptr;
};

struct RequestSpec {
  std::string method = "GET";
  std::string path = "/";
  std::string authority = "shop.example";
  http::Framing framing = http::Framing::kNone;
  std::uint64_t content_length = 0;
  std::vector<std::pair<std::string, std::string>> fields = {};
  std::uint8_t minor = 1;
};

class FakeTransaction final : public http::Transaction {
 public:
  FakeTransaction(const FakeClock& clock, const RequestSpec& spec)
      : spec_(spec), started_ns_(clock.monotonic_ns()) {
    head_.method = spec_.method;
    head_.path = spec_.path;
    head_.authority = spec_.authority;
    head_.framing = spec_.framing;
    head_.content_length = spec_.content_length;
    head_.minor = spec_.minor;
    for (const auto& [name, value] : spec_.fields) EXPECT_TRUE(head_.fields.add(name, value));
    peer_.client_address = "10.0.0.7";
    peer_.scheme = "http";
    peer_.listener = "main";
  }
  http::RequestHead& request() override { return alive(), head_; }
  base::Arena& arena() override { return alive(), arena_; }
  net::Loop& loop() override { std::abort(); }
  const http::Peer& peer() const override { return peer_; }
  std::uint64_t started_ns() const override { return started_ns_; }
  void set_sink(http::TransactionSink* sink) override { sink_ = sink; }
  void read_body() override { alive(), reading = true; }
  void pause_body() override { alive(), reading = false; }
  void set_body_limit(std::uint64_t bytes) override { body_limit = bytes; }
  void note_body_too_large() override { ++noted_too_large; }
  void send_informational(const http::ResponseHead& head) override {
    alive();
    informational.push_back(head.status);
  }
  void send_head(const http::ResponseHead& head) override {
    alive();
    EXPECT_EQ(status, 0) << "second head";
    status = head.status;
    framing = head.framing;
    content_length = head.content_length;
    if (quiet) return;
    for (const http::Field& field : head.fields) fields.emplace_back(field.name, field.value);
  }
  bool send_body(std::string_view data) override {
    alive();
    EXPECT_NE(status, 0) << "body before head";
    if (quiet) return true;
    body += data;
    return !blocked;
  }
  void finish() override { die(), finished = true; }
  void abort() override { die(), aborted = true; }
  void detach(http::DetachedStream& owner) override {
    die(), detached = true;
    stream->stream = &owner;
    owner.attached_to(*stream);
  }
  void tunnel(http::TunnelEnd&) override { die(), tunnelled = true; }
  bool head_sent() const override { return status != 0; }

  // The client's doings.
  void body_arrives(std::string_view data, bool last) {
    ASSERT_TRUE(reading) << "bytes that were not asked for";
    std::string copy(data);  // dies with the call
    sink_->on_body(copy, last);
  }
  void becomes_writable() { blocked = false, sink_->on_writable(); }
  bool body_fails(std::uint16_t how) { return sink_->on_body_failed(how); }
  void leaves() {
    sink_->on_aborted();
    die();
  }
  bool over() const { return dead_; }
  std::string field(std::string_view name) const {
    for (const auto& [key, value] : fields)
      if (http::same_name(key, name)) return value;
    return "";
  }

  bool quiet = false;  // keeps no record
  bool reading = false, finished = false, aborted = false, detached = false, tunnelled = false;
  bool blocked = false;
  int status = 0;
  http::Framing framing = http::Framing::kNone;
  std::uint64_t content_length = 0, body_limit = 0;
  int noted_too_large = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<int> informational;
  std::string body;
  std::shared_ptr<StreamRecord> stream = std::make_shared<StreamRecord>();

 private:
  void alive() const { EXPECT_FALSE(dead_) << "the transaction is dead"; }
  void die() {
    alive();
    dead_ = true;
    arena_.reset();
  }
  RequestSpec spec_;
  base::ChunkPool pool_;
  base::Arena arena_{pool_};
  http::RequestHead head_{arena_};
  http::Peer peer_;
  std::uint64_t started_ns_;
  http::TransactionSink* sink_ = nullptr;
  bool dead_ = false;
};

class FakeTunnelEnd final : public http::TunnelEnd {
  net::Stream& tunnel_stream() override { std::abort(); }
  void tunnel_starts(http::Tunnel&) override {}
  void tunnel_over(bool) override {}
};

// One upstream call; the record outlives it.
class FakeCall final : public http::UpstreamCall {
 public:
  bool can_send() const override { return connected && !blocked; }
  bool send_body(std::string_view data) override {
    EXPECT_FALSE(over);
    if (!connected) return false;
    body += data;
    return !blocked;
  }
  void finish_body() override { EXPECT_FALSE(std::exchange(body_finished, true)); }
  void pause_reading() override { paused = true; }
  void resume_reading() override { paused = false; }
  void cancel() override {
    EXPECT_FALSE(over);
    over = cancelled = true;
  }
  http::TunnelEnd& upgrade() override {
    EXPECT_FALSE(over);
    over = upgraded = true;
    static FakeTunnelEnd end;
    return end;
  }

  // The upstream's doings.
  void connects() {
    connected = true;
    sink->on_writable();
  }
  void answers_head(int status, std::vector<std::pair<std::string, std::string>> list = {},
                    http::Framing framing = http::Framing::kChunked) {
    head = arena->make<http::ResponseHead>(*arena);
    head->status = static_cast<std::uint16_t>(status);
    head->framing = framing;
    for (const auto& [name, value] : list)
      EXPECT_TRUE(head->fields.add(arena->copy(name), arena->copy(value)));
    sink->on_head(*head);
  }
  void answers_body(std::string_view data, bool last) {
    ASSERT_FALSE(over);
    std::string copy(data);
    sink->on_body(copy, last);
    if (last) over = true;
  }
  void answers(int status, std::string_view data) {
    answers_head(status);
    if (!over) answers_body(data, true);
  }
  void fails(http::UpstreamFailure failure, bool sent = false, bool reused = false) {
    ASSERT_FALSE(over);
    over = true;
    sink->on_failed({failure, reused, sent, head != nullptr, "as the test says"});
  }

  std::string address, host, method, path;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  bool connected = false, blocked = false, body_finished = false, paused = false;
  bool over = false, cancelled = false, upgraded = false;
  http::UpstreamSink* sink = nullptr;
  base::Arena* arena = nullptr;
  http::ResponseHead* head = nullptr;
};

class FakePool final : public http::UpstreamPool {
 public:
  http::UpstreamCall* start(const http::UpstreamTarget& target, const http::RequestHead& head,
                            base::Arena& arena, http::UpstreamSink& sink) override {
    calls.emplace_back();
    FakeCall& call = calls.back();
    call.address = target.address;
    call.host = target.host;
    call.method = head.method;
    call.path = head.path;
    for (const http::Field& field : head.fields) call.fields.emplace_back(field.name, field.value);
    call.sink = &sink;
    call.arena = &arena;
    return &call;
  }
  void close_idle() override {}
  std::deque<FakeCall> calls;
};

// A plugin part: what is not set is missing from its table.
struct Plugin {
  std::function<gw_verdict(gw_exchange*, void**)> head, resume, response_head;
  std::function<gw_verdict(gw_exchange*, std::string_view, bool, std::uint64_t*)> body,
      response_body;
  std::function<void(gw_exchange*, const gw_outcome&)> complete;
  // Router.
  std::function<gw_verdict(gw_exchange*, const gw_attempt*, gw_endpoint*)> choose;
  std::vector<gw_attempt> outcomes;

  PartUse use;
  std::vector<std::string>* events = nullptr;
  int completions = 0;
  gw_outcome outcome{};
  std::string error_code;

  void note(const char* what) { events->push_back(use.instance + ":" + what); }
  FilterStep filter_step();
  RouterStep router_step();
};

inline Plugin& plugin(void* part) {
  return *static_cast<Plugin*>(part);
}

inline void note_complete(void* part, gw_exchange* x, void**, const gw_outcome* outcome) {
  Plugin& p = plugin(part);
  p.note("complete");
  ++p.completions;
  p.outcome = *outcome;
  p.error_code = text(outcome->error_code);
  if (p.complete) p.complete(x, *outcome);
}

inline FilterStep Plugin::filter_step() {
  gw_filter_api api{};
  api.struct_size = sizeof api;
  api.on_request_head = [](void* part, gw_exchange* x, void** slot) {
    plugin(part).note("head");
    return plugin(part).head ? plugin(part).head(x, slot) : gw_verdict{GW_CONTINUE};
  };
  if (body)
    api.on_request_body = [](void* part, gw_exchange* x, void**, gw_str data, std::int32_t last,
                             std::uint64_t* consumed) {
      plugin(part).note("body");
      return plugin(part).body(x, {data.ptr, static_cast<std::size_t>(data.len)}, last != 0,
                               consumed);
    };
  if (resume)
    api.on_resume = [](void* part, gw_exchange* x, void** slot) {
      plugin(part).note("resume");
      return plugin(part).resume(x, slot);
    };
  api.on_response_head = [](void* part, gw_exchange* x, void** slot) {
    plugin(part).note("response");
    return plugin(part).response_head ? plugin(part).response_head(x, slot)
                                      : gw_verdict{GW_CONTINUE};
  };
  if (response_body)
    api.on_response_body = [](void* part, gw_exchange* x, void**, gw_str data, std::int32_t last,
                              std::uint64_t* consumed) {
      plugin(part).note("response_body");
      return plugin(part).response_body(x, {data.ptr, static_cast<std::size_t>(data.len)},
                                        last != 0, consumed);
    };
  api.on_complete = note_complete;
  return make_filter_step(&api, this, use);
}

inline RouterStep Plugin::router_step() {
  gw_router_api api{};
  api.struct_size = sizeof api;
  api.choose = [](void* part, gw_exchange* x, void**, const gw_attempt* previous,
                  gw_endpoint* out) {
    plugin(part).note("choose");
    if (plugin(part).choose) return plugin(part).choose(x, previous, out);
    out->address = str("10.0.0.9:80");
    return gw_verdict{GW_CONTINUE};
  };
  api.outcome = [](void* part, gw_exchange*, void**, const gw_attempt* attempt) {
    plugin(part).note("outcome");
    plugin(part).outcomes.push_back(*attempt);
  };
  if (response_head)
    api.on_response_head = [](void* part, gw_exchange* x, void** slot) {
      plugin(part).note("response");
      return plugin(part).response_head(x, slot);
    };
  api.on_complete = note_complete;
  return make_router_step(&api, this, use);
}

// One worker with filters a, b, c and a router r; change them before `start`.
class World {
 public:
  static DispatcherOptions surviving() {
    DispatcherOptions options;
    options.abort_on_misuse = false;
    return options;
  }
  explicit World(DispatcherOptions options = surviving())
      : dispatcher({pool, clock, scheduler, {}}, options) {
    const char* names[] = {"a", "b", "c", "r"};
    for (int i = 0; i < 4; ++i) {
      plugins[i].use.instance = names[i];
      plugins[i].events = &events;
    }
  }
  ~World() {
    for (auto& transaction : transactions)
      if (!transaction->over()) transaction->leaves();
    dispatcher.close_streams(nullptr);
    EXPECT_EQ(dispatcher.open_exchanges(), 0u);
    EXPECT_EQ(scheduler.deadlines(), 0u);
    for (const Plugin& p : plugins) EXPECT_TRUE(p.use.idle()) << p.use.instance;
  }

  // A chain for everything, of the first `filters` filters.
  std::unique_ptr<WorkerGeneration> make_generation(int filters = 3, bool router = true) {
    auto next = std::make_unique<WorkerGeneration>();
    next->number = ++generations;
    Chain chain;
    chain.name = "all";
    for (int i = 0; i < filters; ++i) chain.filters.push_back(plugins[i].filter_step());
    if (router) chain.router = plugins[3].router_step();
    chain.finish();
    next->chains.push_back(std::move(chain));
    return next;
  }
  void start(int filters = 3, bool router = true) {
    dispatcher.set_generation(make_generation(filters, router));
  }
  FakeTransaction& request(const RequestSpec& spec = {}) {
    transactions.push_back(std::make_unique<FakeTransaction>(clock, spec));
    dispatcher.on_request(*transactions.back());
    return *transactions.back();
  }
  std::string take_events() {
    std::string all;
    for (const std::string& event : events) all += (all.empty() ? "" : " ") + event;
    events.clear();
    return all;
  }
  FakeCall& call() { return pool.calls.back(); }

  FakeClock clock;
  FakeScheduler scheduler{clock};
  FakePool pool;
  std::vector<std::string> events;
  Plugin plugins[4];
  Plugin &a = plugins[0], &b = plugins[1], &c = plugins[2], &r = plugins[3];
  Dispatcher dispatcher;
  std::vector<std::unique_ptr<FakeTransaction>> transactions;
  std::uint64_t generations = 0;
};

inline gw_verdict reply(gw_exchange* x, std::uint32_t status, std::string_view body = {}) {
  EXPECT_EQ(exchange_api()->reply(x, status, nullptr, 0, str(body)), GW_OK);
  return GW_REPLIED;
}

}  // namespace gw::pipeline::testing
