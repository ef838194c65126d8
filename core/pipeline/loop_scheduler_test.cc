// SPDX-License-Identifier: Apache-2.0
#include "pipeline/loop_scheduler.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace gw::pipeline {
namespace {

class Work final : public ScheduledWork {
 public:
  explicit Work(net::Loop& loop) : loop_(loop) {}
  void on_deadline(std::uint32_t slot) override { note("deadline" + std::to_string(slot)); }
  void on_turn_end() override { note("turn"); }
  void on_posted() override { note("posted"); }

  std::vector<std::string> events;
  std::string last;  // stops the loop when it comes

 private:
  void note(std::string event) {
    events.push_back(event);
    if (event == last) loop_.stop();
  }
  net::Loop& loop_;
};

TEST(LoopScheduler, DeadlinesFireOnceUnlessCancelled) {
  net::Loop loop;
  LoopScheduler scheduler(loop);
  Work work(loop);
  scheduler.set_work(&work);
  work.last = "deadline2";
  ASSERT_TRUE(loop.post([&] {
    scheduler.start_deadline(0, 20);
    scheduler.start_deadline(1, 20);
    scheduler.start_deadline(2, 60);
    scheduler.cancel_deadline(1);
    scheduler.cancel_deadline(7);  // never used
  }));
  loop.run();
  EXPECT_EQ(work.events, (std::vector<std::string>{"deadline0", "deadline2"}));
}

TEST(LoopScheduler, TurnEndsAndPosts) {
  net::Loop loop;
  LoopScheduler scheduler(loop);
  Work work(loop);
  scheduler.set_work(&work);
  work.last = "posted";
  std::thread other;
  ASSERT_TRUE(loop.post([&] {
    scheduler.arm_turn_end();
    scheduler.arm_turn_end();
    EXPECT_TRUE(work.events.empty());  // not inside the call
    scheduler.start_deadline(0, 30);   // by then the turn is over
    other = std::thread([&] { scheduler.post(); });
    other.join();
  }));
  loop.run();
  EXPECT_EQ(work.events, (std::vector<std::string>{"turn", "posted"}));
}

TEST(LoopScheduler, NothingIsCalledOnceTheWorkIsGone) {
  net::Loop loop;
  Work work(loop);
  {
    LoopScheduler scheduler(loop);
    scheduler.set_work(&work);
    ASSERT_TRUE(loop.post([&] { work.events.push_back("ran"); }));
    scheduler.post();
    scheduler.start_deadline(0, 10);
  }
  net::Timer timer;
  timer.start(
      loop, 50, 0, [](void* user) { static_cast<net::Loop*>(user)->stop(); }, &loop);
  loop.run();
  EXPECT_EQ(work.events, (std::vector<std::string>{"ran"}));
}

}  // namespace
}  // namespace gw::pipeline
