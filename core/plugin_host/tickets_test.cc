// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/tickets.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "plugin_host/context.h"
#include "plugin_host/handover.h"
#include "plugin_host/offload.h"

namespace gw::plugin_host {
namespace {

class TicketsTest : public testing::Test {
 protected:
  TicketsTest() {
    host_.seats.push_back(std::make_unique<Seat>());
    host_.seats[0]->loop = &loop_;
    host_.seats[0]->calls = &calls_;
    context_.emplace(host_, "tester");
    worker_.emplace(*context_, *host_.seats[0], 0);
  }

  // Turns the loop until `done`, or fails.
  void run_until(const std::function<bool()>& done) {
    net::Timer limit;
    bool late = false;
    limit.start(
        loop_, 30000, 0, [](void* flag) { *static_cast<bool*>(flag) = true; }, &late);
    while (!done() && !late) loop_.turn(true);
    EXPECT_FALSE(late);
  }

  // A callback of the ABI as a function object.
  struct Callback {
    std::function<void()> run;
    static void call(void* self) { static_cast<Callback*>(self)->run(); }
  };

  base::SystemClock clock_;
  base::MetricsRegistry metrics_;
  base::HealthRegistry health_;
  net::Loop loop_;
  net::CallOutClient calls_{loop_};
  Host host_{base::Log(), clock_, metrics_, health_};
  std::optional<gw_context> context_;
  std::optional<gw_worker> worker_;
};

TEST_F(TicketsTest, ATimerFiresOnceOrAgainAndAgain) {
  int once = 0, often = 0;
  Callback one{[&] { ++once; }};
  gw_ticket* repeating = nullptr;
  Callback many{[&] {
    if (++often == 3) timer_api()->cancel(repeating);  // inside its own callback
  }};
  timer_api()->start(&*worker_, 0, 0, Callback::call, &one);
  repeating = timer_api()->start(&*worker_, 10, 10, Callback::call, &many);
  EXPECT_EQ(once, 0);  // never inside the call
  run_until([&] { return often == 3; });
  bool later = false;
  Callback end{[&] { later = true; }};
  timer_api()->start(&*worker_, 50, 0, Callback::call, &end);
  run_until([&] { return later; });
  EXPECT_EQ(once, 1);
  EXPECT_EQ(often, 3);
  EXPECT_EQ(worker_->cancel_all(), "");
}

TEST_F(TicketsTest, ACancelledTimerIsSilentAndItsMemoryIsUsedAgain) {
  Callback never{[] { ADD_FAILURE() << "was cancelled"; }};
  gw_ticket* first = timer_api()->start(&*worker_, 10, 0, Callback::call, &never);
  timer_api()->cancel(first);
  timer_api()->cancel(nullptr);
  loop_.turn(false);
  bool fired = false;
  Callback end{[&] { fired = true; }};
  EXPECT_EQ(timer_api()->start(&*worker_, 30, 0, Callback::call, &end), first);
  run_until([&] { return fired; });
}

TEST_F(TicketsTest, AWatchTellsWhatIsReadyUntilItRests) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  struct Seen {
    gw_ticket* watch = nullptr;
    std::uint32_t events = 0;
    int fd = -1;
  } seen;
  seen.fd = ends[0];
  seen.watch = fd_api()->watch(
      &*worker_, ends[0], GW_FD_READ,
      [](void* user, std::uint32_t events) {
        auto& at = *static_cast<Seen*>(user);
        at.events |= events;
        fd_api()->cancel(at.watch);  // inside its own callback
        ::close(at.fd);
      },
      &seen);
  ASSERT_NE(seen.watch, nullptr);
  EXPECT_EQ(fd_api()->update(seen.watch, 0), GW_OK);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  loop_.turn(false);
  EXPECT_EQ(seen.events, 0u);
  EXPECT_EQ(fd_api()->update(seen.watch, GW_FD_READ), GW_OK);
  run_until([&] { return seen.events != 0; });
  EXPECT_EQ(seen.events, GW_FD_READ + 0u);
  ::close(ends[1]);
  EXPECT_EQ(fd_api()->watch(
                &*worker_, 1 << 20, GW_FD_READ, [](void*, std::uint32_t) {}, nullptr),
            nullptr);
}

TEST_F(TicketsTest, AHookRunsOncePerArming) {
  int runs = 0;
  Callback work{[&] { ++runs; }};
  gw_ticket* hook = turn_api()->create(&*worker_, Callback::call, &work);
  turn_api()->arm(hook);
  turn_api()->arm(hook);
  EXPECT_EQ(runs, 0);
  run_until([&] { return runs != 0; });
  loop_.turn(false);
  EXPECT_EQ(runs, 1);
  turn_api()->cancel(hook);
}

TEST_F(TicketsTest, NamesAreResolved) {
  struct Seen {
    gw_status status = 1;
    std::string address;
  } seen;
  gw_ticket* ticket = resolve_api()->resolve(
      &*worker_, {"127.0.0.9", 9},
      [](void* user, gw_status status, const gw_str* addresses, std::uint32_t count) {
        auto& at = *static_cast<Seen*>(user);
        at.status = status;
        if (count > 0) at.address.assign(addresses[0].ptr, addresses[0].len);
      },
      &seen);
  ASSERT_NE(ticket, nullptr);
  run_until([&] { return seen.status != 1; });
  EXPECT_EQ(seen.status, GW_OK);
  EXPECT_EQ(seen.address, "127.0.0.9");
  EXPECT_EQ(worker_->cancel_all(), "");
}

TEST_F(TicketsTest, ACallToNobodyFailsWithAReason) {
  struct Seen {
    gw_status status = 1;
    std::string error;
  } seen;
  auto done = [](void* user, const gw_call_answer* answer) {
    auto& at = *static_cast<Seen*>(user);
    at.status = answer->status;
    at.error.assign(answer->error.ptr, answer->error.len);
  };
  gw_call_request request{};
  request.struct_size = sizeof request;
  const std::string url = "http://127.0.0.1:1/", other = "ftp://127.0.0.1/";
  request.url = {url.data(), url.size()};
  ASSERT_NE(call_api()->call(&*worker_, &request, done, &seen), nullptr);
  EXPECT_EQ(seen.status, 1);
  run_until([&] { return seen.status != 1; });
  EXPECT_EQ(seen.status, GW_ERROR);
  EXPECT_NE(seen.error, "");
  request.url = {other.data(), other.size()};
  EXPECT_EQ(call_api()->call(&*worker_, &request, done, &seen), nullptr);
}

TEST_F(TicketsTest, WhatIsLeftIsCancelledAndCounted) {
  Callback never{[] { ADD_FAILURE() << "was cancelled"; }};
  timer_api()->start(&*worker_, 10, 0, Callback::call, &never);
  timer_api()->start(&*worker_, 10, 10, Callback::call, &never);
  turn_api()->arm(turn_api()->create(&*worker_, Callback::call, &never));
  EXPECT_EQ(worker_->cancel_all(), "2 timers, 1 turn hooks");
  bool fired = false;
  net::Timer end;
  end.start(
      loop_, 50, 0, [](void* flag) { *static_cast<bool*>(flag) = true; }, &fired);
  run_until([&] { return fired; });
}

TEST_F(TicketsTest, PostsRunInOrderWithThePartAndAreDroppedWhenItIsOver) {
  std::vector<std::string> seen;
  struct Work {
    std::vector<std::string>* seen;
    std::string text;
  };
  auto run = [](void* part, void* user) {
    auto& work = *static_cast<Work*>(user);
    work.seen->push_back(work.text + *static_cast<std::string*>(part));
  };
  auto drop = [](void* user) {
    auto& work = *static_cast<Work*>(user);
    work.seen->push_back(work.text + " dropped");
  };
  Work one{&seen, "1"}, two{&seen, "2"}, three{&seen, "3"}, four{&seen, "4"};
  const gw_post_api& api = *post_api();
  EXPECT_EQ(api.post(&*context_, 1, run, drop, &one), GW_NOT_FOUND);
  EXPECT_EQ(api.post(&*context_, 0, run, drop, &one), GW_OK);  // before the part exists
  std::thread([&] { EXPECT_EQ(api.post(&*context_, 0, run, drop, &two), GW_OK); }).join();
  std::string part = "p";
  context_->posts->open(0, &part);
  EXPECT_TRUE(seen.empty());
  run_until([&] { return seen.size() == 2; });
  api.post(&*context_, 0, run, drop, &three);
  context_->posts->close(0);
  api.post(&*context_, 0, run, drop, &four);
  loop_.turn(false);
  EXPECT_EQ(seen, (std::vector<std::string>{"1p", "2p", "3 dropped", "4 dropped"}));
}

using TicketsDeathTest = TicketsTest;

TEST_F(TicketsDeathTest, AnotherThreadIsNotLetIn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        loop_.turn(false);
        std::thread([this] {
          timer_api()->start(
              &*worker_, 10, 0, [](void*) {}, nullptr);
        }).join();
      },
      "");
}

TEST_F(TicketsDeathTest, DebugBuildsLookAtTheThreadOfEveryOtherCall) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  host_.checks_home = true;
  loop_.turn(false);  // this is its thread from now on
  gw_family family{};
  family.struct_size = sizeof family;
  family.type = GW_GAUGE;
  family.name = {"tests", 5};
  const gw_metrics_api& metrics = *watched_metrics_api();
  gw_cell* cell = metrics.cell(&*worker_, &family, nullptr);
  EXPECT_EQ(metrics.cell(&*worker_, &family, nullptr), cell);
  gw_str text{};
  const std::function<void()> calls[] = {
      [&] { metrics.add(cell, 2); },
      [&] { metrics.set(cell, 2); },
      [&] { metrics.observe(cell, 2); },
      [&] { context_api()->started(&*context_, GW_OK, {}); },
      [&] { context_api()->stopped(&*context_); },
      [&] { EXPECT_EQ(successor_api()->ask(&*context_, 1, {}, nullptr), GW_GONE); },
  };
  const auto read = [&] {
    EXPECT_EQ(watched_config_api()->key_at(nullptr, 0, &text), GW_NOT_FOUND);
  };
  for (const auto& call : calls) {
    call();  // of this thread: allowed
    EXPECT_DEATH(std::thread(call).join(), "");
  }
  double sum = 0;
  metrics_.visit([&sum](const base::MetricsRegistry::Sample& sample) { sum += sample.value; });
  EXPECT_EQ(sum, 2);
  metrics.add(nullptr, 1);  // no room for the series
  const std::optional<ConfigReading> reading(std::in_place);
  read();
  EXPECT_DEATH(std::thread(read).join(), "gw.config/1");
}

TEST_F(TicketsDeathTest, DebugBuildsLetNobodyReadAConfigurationAfterCreate) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  gw_str text{};
  EXPECT_DEATH(watched_config_api()->key_at(nullptr, 0, &text), "gw.config/1");
}

// Work that waits for the test, and who was told of its end.
struct Lending {
  std::mutex mutex;
  std::condition_variable turn;
  bool running = false, may_return = false;
  int done = 0, dropped = 0;

  void set(bool& flag) {
    const std::lock_guard lock(mutex);
    flag = true;
    turn.notify_all();
  }
  void wait(const bool& flag) {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(turn.wait_for(lock, std::chrono::seconds(30), [&] { return flag; }));
  }
  gw_ticket* lend(gw_worker& worker) {
    return offload_api()->run(
        &worker,
        [](void* user) {
          auto& self = *static_cast<Lending*>(user);
          self.set(self.running);
          self.wait(self.may_return);
        },
        [](void* user) { ++static_cast<Lending*>(user)->done; },
        [](void* user) { ++static_cast<Lending*>(user)->dropped; }, this);
  }
};

TEST_F(TicketsTest, OffloadedWorkComesBackToTheWorker) {
  host_.offload = std::make_unique<OffloadPool>(1);
  Lending one, two;
  one.may_return = two.may_return = true;
  ASSERT_NE(one.lend(*worker_), nullptr);
  ASSERT_NE(two.lend(*worker_), nullptr);
  bool none = false;
  context_->lent->when_none([&] { none = true; });
  EXPECT_FALSE(none);
  run_until([&] { return one.done == 1 && two.done == 1; });
  EXPECT_TRUE(none);
  EXPECT_EQ(one.dropped + two.dropped, 0);
  EXPECT_EQ(worker_->cancel_all(), "");
}

TEST_F(TicketsTest, CancelledWorkIsDroppedOnceItDoesNotRun) {
  host_.offload = std::make_unique<OffloadPool>(1);
  Lending runs, waits;
  ASSERT_NE(runs.lend(*worker_), nullptr);
  runs.wait(runs.running);
  gw_ticket* waiting = waits.lend(*worker_);
  offload_api()->cancel(waiting);
  EXPECT_EQ(waits.dropped, 1);
  EXPECT_EQ(worker_->cancel_all(), "1 offloaded work");
  EXPECT_EQ(runs.dropped, 0);
  std::atomic<bool> none{false};
  context_->lent->when_none([&] { none = true; });
  EXPECT_FALSE(none);
  runs.set(runs.may_return);
  host_.offload.reset();  // joins
  EXPECT_TRUE(none);
  EXPECT_EQ(runs.dropped, 1);
  loop_.turn(false);
  EXPECT_EQ(runs.done + waits.done, 0);
}

TEST_F(TicketsTest, WorkThatReturnedMayStillBeCancelled) {
  host_.offload = std::make_unique<OffloadPool>(1);
  Lending work;
  work.may_return = true;
  gw_ticket* ticket = work.lend(*worker_);
  host_.offload.reset();  // it has returned, and its end waits for the loop
  offload_api()->cancel(ticket);
  EXPECT_EQ(work.dropped, 1);
  loop_.turn(false);
  EXPECT_EQ(work.done, 0);
}

}  // namespace
}  // namespace gw::plugin_host
