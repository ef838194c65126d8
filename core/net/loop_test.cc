// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <thread>

namespace gw::net {
namespace {

TEST(Loop, RunsPostsInOrderAndRefusesThemAfterwards) {
  Loop loop;
  std::string order;
  std::thread poster([&] {
    for (char c = 'a'; c <= 'e'; ++c) EXPECT_TRUE(loop.post([&order, c] { order += c; }));
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  poster.join();
  EXPECT_EQ("abcde", order);
  EXPECT_FALSE(loop.post([] { FAIL(); }));
}

TEST(Loop, PostsThatWereNotRunAreDestroyed) {
  auto token = std::make_shared<int>(1);
  std::weak_ptr<int> watch = token;
  {
    Loop loop;
    loop.stop();
    loop.post([held = std::move(token)] { FAIL(); });
    loop.run();
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Loop, StopFromAnotherThread) {
  Loop loop;
  std::thread stopper([&] { loop.stop(); });
  loop.run();
  stopper.join();
}

TEST(TurnHook, RunsOnceAtTheEndOfTheTurn) {
  Loop loop;
  struct State {
    std::string order;
    TurnHook* again = nullptr;
    Loop* loop = nullptr;
    int passes = 0;
  } state;
  state.loop = &loop;
  TurnHook first(
      loop, [](void* user) { static_cast<State*>(user)->order += "1"; }, &state);
  TurnHook second(
      loop,
      [](void* user) {
        auto& its = *static_cast<State*>(user);
        its.order += "2";
        if (++its.passes < 3) {
          its.again->arm();  // belongs to the next turn, which must not wait for an event
        } else {
          its.loop->stop();
        }
      },
      &state);
  TurnHook never(
      loop, [](void*) { FAIL(); }, nullptr);
  state.again = &second;
  loop.post([&] {
    first.arm();
    second.arm();
    never.arm();
    first.arm();
    never.disarm();
    state.order += "0";
  });
  loop.run();
  EXPECT_EQ("01222", state.order);
}

TEST(TurnHook, MayDisarmAnotherInThePass) {
  Loop loop;
  struct State {
    TurnHook* other = nullptr;
    Loop* loop = nullptr;
  } state;
  TurnHook first(
      loop,
      [](void* user) {
        static_cast<State*>(user)->other->disarm();
        static_cast<State*>(user)->loop->stop();
      },
      &state);
  TurnHook second(
      loop, [](void*) { FAIL(); }, nullptr);
  state.other = &second;
  state.loop = &loop;
  first.arm();
  second.arm();
  loop.run();
}

// What ends because of a descriptor must not seem to end when the loop last heard something else.
TEST(FdWatch, BringsTheClockUpToDate) {
  Loop loop;
  int pair[2];
  ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  struct State {
    Loop& loop;
    std::uint64_t heard_ns = 0;
  } state{loop};
  auto watch = FdWatch::create(
      loop, pair[0], FdWatch::kRead,
      [](void* user, std::uint32_t) {
        auto& its = *static_cast<State*>(user);
        its.heard_ns = its.loop.now_ns();
      },
      &state);
  loop.turn(false);
  std::uint64_t written_ns = 0;
  while (written_ns <= loop.now_ns()) written_ns = base::SystemClock().monotonic_ns();
  ASSERT_EQ(1, write(pair[1], "x", 1));
  while (state.heard_ns == 0) loop.turn(true);
  EXPECT_GE(state.heard_ns, written_ns);
  close(pair[0]);
  close(pair[1]);
}

TEST(FdWatch, TellsOfWhatWasAskedFor) {
  Loop loop;
  int pair[2];
  ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
  struct State {
    Loop& loop;
    std::unique_ptr<FdWatch> watch;
    int fd;
    int writes = 0;
    int reads = 0;
  } state{loop, nullptr, pair[0]};
  state.watch = FdWatch::create(
      loop, pair[0], FdWatch::kWrite,
      [](void* user, std::uint32_t events) {
        auto& its = *static_cast<State*>(user);
        if ((events & FdWatch::kWrite) != 0 && ++its.writes == 1) its.watch->update(FdWatch::kRead);
        if ((events & FdWatch::kRead) != 0 && ++its.reads == 3) {  // level-triggered
          its.watch.reset();
          its.loop.stop();
        }
      },
      &state);
  ASSERT_NE(nullptr, state.watch);
  ASSERT_EQ(1, write(pair[1], "x", 1));
  loop.run();
  EXPECT_EQ(1, state.writes);
  EXPECT_EQ(3, state.reads);
  close(pair[0]);
  close(pair[1]);
}

TEST(FdWatch, HangUpCounts) {
  Loop loop;
  int pair[2];
  ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
  auto watch = FdWatch::create(
      loop, pair[0], FdWatch::kRead | FdWatch::kWrite,
      [](void* user, std::uint32_t events) {
        if ((events & FdWatch::kRead) != 0) static_cast<Loop*>(user)->stop();
      },
      &loop);
  close(pair[1]);
  loop.run();
  watch.reset();
  close(pair[0]);
}

TEST(FdWatch, RefusesWhatCannotBePolled) {
  Loop loop;
  const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(nullptr, FdWatch::create(
                         loop, fd, FdWatch::kRead, [](void*, std::uint32_t) {}, nullptr));
  close(fd);
  EXPECT_EQ(nullptr, FdWatch::create(
                         loop, 12345, FdWatch::kRead, [](void*, std::uint32_t) {}, nullptr));
}

TEST(Resolution, FindsAddressesAndSaysWhyNot) {
  Loop loop;
  std::vector<std::string> found;
  std::string problem;
  std::unique_ptr<Resolution> bad;
  auto good = Resolution::start(loop, "127.0.0.1", [&](const auto& addresses, std::string_view) {
    found = addresses;
    bad = Resolution::start(loop, "no such name", [&](const auto& none, std::string_view error) {
      EXPECT_TRUE(none.empty());
      problem = error;
      loop.stop();
    });
  });
  auto dropped =
      Resolution::start(loop, "localhost", [](const auto&, std::string_view) { FAIL(); });
  dropped.reset();
  loop.run();
  EXPECT_EQ(std::vector<std::string>{"127.0.0.1"}, found);
  EXPECT_NE("", problem);
}

TEST(Resolution, TooLongANameFailsLater) {
  Loop loop;
  bool told = false;
  auto resolution =
      Resolution::start(loop, std::string(5000, 'a'), [&](const auto& none, std::string_view) {
        EXPECT_TRUE(none.empty());
        told = true;
        loop.stop();
      });
  EXPECT_FALSE(told);
  loop.run();
  EXPECT_TRUE(told);
}

TEST(SignalWatch, Delivers) {
  Loop loop;
  int raised = 0;
  auto watch = SignalWatch::create(loop, SIGUSR1, [&] {
    ++raised;
    loop.stop();
  });
  ASSERT_NE(nullptr, watch);
  raise(SIGUSR1);
  loop.run();
  EXPECT_EQ(1, raised);
}

}  // namespace
}  // namespace gw::net
