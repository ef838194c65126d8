// SPDX-License-Identifier: Apache-2.0
#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <random>
#include <vector>

#include "net/loop.h"

namespace gw::net {
namespace {

// Timer keeps its callback to itself; a loop hands timers to a wheel. Here the test is the loop.
class TimerWheelTest : public ::testing::Test {
 protected:
  static void ignore(void*) {}
  TimerWheel wheel_{1000, ignore, nullptr};
};

TEST_F(TimerWheelTest, WakesAtTheTickOfTheNextTimer) {
  EXPECT_EQ(TimerWheel::kNever, wheel_.next_wake());
  Timer timer;
  wheel_.start(timer, 1005);
  EXPECT_EQ(1005u, wheel_.next_wake());
  timer.cancel();
  EXPECT_FALSE(timer.active());
  wheel_.advance(1005);
  EXPECT_TRUE(wheel_.empty());
}

TEST(LoopTimers, FireInOrderNeverEarly) {
  const std::uint32_t seed = 99;
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  Loop loop;
  struct Item {
    Timer timer;
    Loop* loop;
    std::uint64_t due_ms;
    int* left;
    static void fire(void* self) {
      auto& item = *static_cast<Item*>(self);
      EXPECT_GE(item.loop->now_ms(), item.due_ms);
      if (--*item.left == 0) item.loop->stop();
    }
  };
  int left = 0;
  std::vector<std::unique_ptr<Item>> items;
  loop.turn(false);
  for (int i = 0; i < 500; ++i) {
    auto item = std::make_unique<Item>();
    const std::uint32_t delay = random() % 400;
    item->loop = &loop;
    item->due_ms = loop.now_ms() + delay;
    item->left = &left;
    item->timer.start(loop, delay, 0, Item::fire, item.get());
    if (random() % 4 == 0) {
      item->timer.cancel();
    } else {
      ++left;
    }
    items.push_back(std::move(item));
  }
  loop.run();
  EXPECT_EQ(0, left);
}

TEST(LoopTimers, RepeatUntilCancelledInside) {
  Loop loop;
  struct State {
    Loop& loop;
    Timer timer;
    int count = 0;
  } state{loop, {}};
  state.timer.start(
      loop, 10, 20,
      [](void* user) {
        auto& its = *static_cast<State*>(user);
        if (++its.count < 3) return;
        its.timer.cancel();
        its.loop.stop();
      },
      &state);
  loop.run();
  EXPECT_EQ(3, state.count);
  EXPECT_FALSE(state.timer.active());
}

// Moved and cancelled at random, a timer fires exactly when its last start said, or not at all.
TEST(LoopTimers, MovedAndCancelledAtRandom) {
  const std::uint32_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  Loop loop;  // gives the timers their callback; the wheel under test is driven by hand
  static std::uint64_t now;
  struct Item {
    Timer timer;
    std::uint64_t due = 0;  // 0: not running
  };
  now = 500;
  TimerWheel wheel(
      now, [](void*) {}, nullptr);
  std::vector<Item> items(100);
  for (; now < 60500; ++now) {
    for (int i = 0; i < 3; ++i) {
      Item& item = items[random() % items.size()];
      item.timer.cancel();
      item.due = 0;
      if (random() % 4 == 0) continue;
      item.timer.start(
          loop, 1000, 0,
          [](void* self) {
            auto& its = *static_cast<Item*>(self);
            EXPECT_EQ(its.due, now);
            its.due = 0;
          },
          &item);
      item.due = now + 1 + (random() % 3 == 0 ? random() % 20000 : random() % 300);
      wheel.start(item.timer, item.due);
    }
    wheel.advance(now);
    for (const Item& item : items) ASSERT_TRUE(item.due == 0 || item.due > now);
  }
}

// A timer far away goes through every level of the wheel.
TEST(TimerWheelLevels, FarTimersFireAtTheirTick) {
  const std::uint32_t seed = 5;
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  static std::vector<std::uint64_t> fired;
  static std::uint64_t now;
  for (int round = 0; round < 20; ++round) {
    Loop loop;  // for the timers' start; the wheel under test is its own
    TimerWheel wheel(
        round * 977, [](void*) {}, nullptr);
    fired.clear();
    std::vector<std::unique_ptr<Timer>> timers;
    std::vector<std::uint64_t> due;
    for (int i = 0; i < 40; ++i) {
      auto timer = std::make_unique<Timer>();
      timer->start(
          loop, 1000, 0, [](void*) { fired.push_back(now); }, nullptr);
      // Once beyond the wheel's reach of 2^26 ticks, else within its lower levels.
      const int bits = round == 0 && i == 0 ? 27 : 1 + static_cast<int>(random() % 18);
      const std::uint64_t at =
          static_cast<std::uint64_t>(round) * 977 + 1 + random() % (std::uint64_t{1} << bits);
      wheel.start(*timer, at);
      due.push_back(at);
      timers.push_back(std::move(timer));
    }
    std::sort(due.begin(), due.end());
    while (!wheel.empty()) {
      const std::uint64_t wake = wheel.next_wake();
      ASSERT_LE(wake, due[fired.size()]);
      now = wake;
      wheel.advance(wake);
    }
    EXPECT_EQ(due, fired);
  }
}

}  // namespace
}  // namespace gw::net
