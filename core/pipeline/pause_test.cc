// SPDX-License-Identifier: Apache-2.0
//
// Filters that wait: waking, deadlines, clients that leave meanwhile, and wakes from other threads.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "pipeline/test_world.h"
#include "pipeline/wake_table.h"

namespace gw::pipeline {
namespace {

using namespace testing;

// b pauses in on_request_head; `waker` is its last one.
struct PauseWorld : World {
  explicit PauseWorld(std::int32_t at_deadline = GW_FAIL_CLOSED, DispatcherOptions options = {})
      : World(options) {
    b.head = [this, at_deadline](gw_exchange* x, void**) {
      EXPECT_EQ(exchange_api()->pause(x, 100, at_deadline, &waker), GW_OK);
      gw_waker second{};
      EXPECT_EQ(exchange_api()->pause(x, 100, at_deadline, &second), GW_WRONG_STATE);
      return gw_verdict{GW_PAUSE};
    };
    b.resume = [this](gw_exchange*, void**) { return resume_verdict; };
  }
  void wake() { exchange_api()->wake(waker); }
  gw_waker waker{};
  gw_verdict resume_verdict = GW_CONTINUE;
};

TEST(Pause, WakingGoesOnAtTheEndOfTheTurn) {
  PauseWorld world;
  world.start();
  world.request();
  EXPECT_EQ(world.take_events(), "a:head b:head");
  world.wake();
  world.wake();  // twice is once
  EXPECT_EQ(world.take_events(), "");
  world.scheduler.run();
  EXPECT_EQ(world.take_events(), "b:resume c:head r:choose");
  world.wake();  // over
  world.scheduler.run();
  EXPECT_EQ(world.take_events(), "");
  world.scheduler.advance(1000);
  EXPECT_EQ(world.take_events(), "");
  world.call().answers(200, "");
}

TEST(Pause, WakingInsideThePausingCallbackWorks) {
  PauseWorld world;
  auto pause = world.b.head;
  world.b.head = [&](gw_exchange* x, void** slot) {
    const gw_verdict verdict = pause(x, slot);
    world.wake();
    world.events.push_back("woke");
    return verdict;
  };
  world.start();
  world.request();
  EXPECT_EQ(world.take_events(), "a:head b:head woke");
  world.scheduler.run();
  EXPECT_EQ(world.take_events(), "b:resume c:head r:choose");
}

TEST(Pause, PausingAndThenGoingOnDisarmsThePause) {
  PauseWorld world;
  auto pause = world.b.head;
  world.b.head = [&](gw_exchange* x, void** slot) {
    pause(x, slot);
    world.wake();
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  world.request();
  EXPECT_EQ(world.take_events(), "a:head b:head c:head r:choose");
  world.scheduler.run();
  EXPECT_EQ(world.take_events(), "");
  EXPECT_EQ(world.scheduler.deadlines(), 0u);
}

TEST(Pause, MayPauseAgain) {
  PauseWorld world;
  int times = 0;
  world.b.resume = [&](gw_exchange* x, void**) {
    if (++times == 3) return gw_verdict{GW_CONTINUE};
    EXPECT_EQ(exchange_api()->pause(x, 100, GW_FAIL_CLOSED, &world.waker), GW_OK);
    return gw_verdict{GW_PAUSE};
  };
  world.start();
  world.request();
  const gw_waker first = world.waker;
  for (int i = 0; i < 3; ++i) {
    world.wake();
    exchange_api()->wake(first);  // of a pause that is over
    world.scheduler.run();
  }
  EXPECT_EQ(world.take_events(), "a:head b:head b:resume b:resume b:resume c:head r:choose");
}

TEST(Pause, FailsClosedAtItsDeadline) {
  PauseWorld world;
  world.start();
  FakeTransaction& client = world.request();
  world.scheduler.advance(99);
  EXPECT_EQ(client.status, 0);
  world.scheduler.advance(1);
  EXPECT_EQ(client.status, 503);
  EXPECT_NE(client.body.find("SERVICE_UNAVAILABLE"), std::string::npos);
  EXPECT_EQ(world.take_events(), "a:head b:head a:response b:complete a:complete");
  world.wake();
  world.scheduler.run();
  EXPECT_EQ(world.take_events(), "");
}

TEST(Pause, FailsOpenAtItsDeadline) {
  PauseWorld world(GW_FAIL_OPEN);
  world.start();
  world.request();
  world.scheduler.advance(100);
  EXPECT_EQ(world.take_events(), "a:head b:head c:head r:choose");
}

TEST(Pause, AnswersWhenResumed) {
  PauseWorld world;
  world.b.resume = [](gw_exchange* x, void**) { return reply(x, 401, "no"); };
  world.start();
  FakeTransaction& client = world.request();
  world.wake();
  world.scheduler.run();
  EXPECT_EQ(client.status, 401);
  EXPECT_EQ(world.take_events(), "a:head b:head b:resume a:response b:complete a:complete");
}

TEST(Pause, ClientGoneCompletesAtOnceAndTheWakerIsHarmless) {
  for (bool woken_before : {false, true}) {
    PauseWorld world;
    world.start();
    FakeTransaction& client = world.request();
    if (woken_before) world.wake();
    client.leaves();
    EXPECT_EQ(world.take_events(), "a:head b:head b:complete a:complete");
    EXPECT_EQ(world.b.outcome.aborted, 1);
    const gw_waker stale = world.waker;
    world.request();  // takes the same slot
    exchange_api()->wake(stale);
    world.scheduler.run();
    EXPECT_EQ(world.take_events(), "a:head b:head");
  }
}

TEST(Pause, MissingResumeIsContinue) {
  PauseWorld world;
  world.b.resume = nullptr;
  world.start();
  world.request();
  world.wake();
  world.scheduler.run();
  EXPECT_EQ(world.take_events(), "a:head b:head c:head r:choose");
}

TEST(Pause, BoundedInNumber) {
  DispatcherOptions options;
  options.max_pauses = 2;
  World world(options);
  gw_status last = GW_OK;
  world.a.head = [&](gw_exchange* x, void**) {
    gw_waker waker{};
    last = exchange_api()->pause(x, 100, GW_FAIL_CLOSED, &waker);
    return last == GW_OK ? gw_verdict{GW_PAUSE} : reply(x, 503);
  };
  world.start(1);
  world.request();
  world.request();
  EXPECT_EQ(last, GW_OK);
  EXPECT_EQ(world.request().status, 503);
  EXPECT_EQ(last, GW_LIMIT);
}

TEST(Pause, NonsenseWakersAreHarmless) {
  PauseWorld world;
  world.start();
  world.request();
  for (std::uint64_t slot : {std::uint64_t{0}, UINT64_MAX, world.waker.slot + 1,
                             world.waker.slot + (std::uint64_t{1} << 32)})
    exchange_api()->wake({slot, world.waker.generation});
  exchange_api()->wake({world.waker.slot, world.waker.generation + 1});
  world.scheduler.run();
  EXPECT_EQ(world.take_events(), "a:head b:head");
}

TEST(Pause, WokenFromAnotherThread) {
  PauseWorld world;
  world.start();
  world.request();
  std::thread other([&] { world.wake(), world.wake(); });
  other.join();
  world.scheduler.wait_for_post();
  EXPECT_EQ(world.take_events(), "a:head b:head");
  world.scheduler.run();
  EXPECT_EQ(world.scheduler.total_posts(), 1);  // coalesced
  EXPECT_EQ(world.take_events(), "b:resume c:head r:choose");
}

// Threads wake what is paused, what is over and what never was, while clients come and go, and
// while another table comes and goes.
TEST(Pause, RacesOfWakersAndLeavers) {
  PauseWorld world;
  world.start();
  std::mutex mutex;
  std::vector<gw_waker> wakers(1);
  std::atomic<bool> stop{false};
  std::atomic<int> wakes{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      for (unsigned n = i; !stop; ++n) {
        gw_waker waker;
        {
          std::lock_guard lock(mutex);
          waker = wakers[n % wakers.size()];
        }
        exchange_api()->wake(waker);
        ++wakes;
      }
    });
  int resumed = 0;
  world.c.head = [&](gw_exchange* x, void**) {
    ++resumed;
    return reply(x, 200);
  };
  for (int round = 0; round < 300 || resumed == 0; ++round) {
    ASSERT_LT(round, 1000000);
    FakeTransaction& client = world.request();
    {
      std::lock_guard lock(mutex);
      wakers.push_back(world.waker);
    }
    FakeClock clock;
    FakeScheduler scheduler(clock);
    WakeTable other(scheduler, 4);
    Pause pause;
    pause.ended = [](void*, Pause&, bool) {};
    gw_waker waker;
    ASSERT_EQ(other.arm(pause, 10, waker), GW_OK);
    {
      std::lock_guard lock(mutex);
      wakers.push_back(waker);
    }
    world.scheduler.run();
    if (round % 2 == 0 && !client.over()) client.leaves();
    other.disarm(pause);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  world.scheduler.advance(200);
  EXPECT_EQ(world.dispatcher.open_exchanges(), 0u);
  EXPECT_GT(wakes, 0);
  EXPECT_GT(resumed, 0);
}

}  // namespace
}  // namespace gw::pipeline
