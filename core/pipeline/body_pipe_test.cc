// SPDX-License-Identifier: Apache-2.0
#include "pipeline/body_pipe.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

namespace gw::pipeline {
namespace {

using State = BodyPipe::State;

class Recorder final : public BodyPipe::Filters {
 public:
  using Filter = std::function<Verdict(std::string_view, bool, std::uint64_t&)>;
  Verdict deliver(std::uint32_t step, std::string_view data, bool last,
                  std::uint64_t& consumed) override {
    return filters[step](data, last, consumed);
  }
  void emit(std::string_view data, bool last) override {
    EXPECT_FALSE(ended);
    out += data;
    ended = last;
  }
  std::vector<Filter> filters;
  std::string out;
  bool ended = false;
};

Verdict pass_all(std::string_view data, bool, std::uint64_t& consumed) {
  consumed = data.size();
  return Verdict::kContinue;
}

struct Bench {
  explicit Bench(std::vector<Recorder::Filter> filters) {
    recorder.filters = std::move(filters);
    pipe.reset();
    for (std::uint32_t i = 0; i < recorder.filters.size(); ++i) pipe.add(i);
  }
  State push(std::string_view data, bool last = false) {
    const std::string dies(data);
    return pipe.push(recorder, dies, last);
  }
  State resume() { return pipe.resume(recorder); }
  Recorder recorder;
  BodyPipe pipe;
};

TEST(BodyPipe, PassesOnWhatEveryFilterConsumes) {
  Bench s({pass_all, pass_all});
  EXPECT_EQ(s.push("one"), State::kOpen);
  EXPECT_EQ(s.recorder.out, "one");
  EXPECT_EQ(s.push("two", true), State::kDone);
  EXPECT_EQ(s.recorder.out, "onetwo");
  EXPECT_TRUE(s.recorder.ended);
}

TEST(BodyPipe, EndsWithoutBytes) {
  Bench s({pass_all});
  EXPECT_EQ(s.push("", true), State::kDone);
  EXPECT_TRUE(s.recorder.ended);
}

TEST(BodyPipe, OffersAgainWhatWasLeft) {
  std::string seen;
  Bench s({[&](std::string_view data, bool last, std::uint64_t& consumed) {
    seen += "[" + std::string(data) + "]";
    consumed = last ? data.size() : data.size() / 2;
    return Verdict::kContinue;
  }});
  s.push("abcd");
  s.push("ef");
  EXPECT_EQ(s.push("", true), State::kDone);
  EXPECT_EQ(seen, "[abcd][cdef][ef]");
  EXPECT_EQ(s.recorder.out, "abcdef");
}

TEST(BodyPipe, PausedFilterHoldsEverythingFromWhereItStands) {
  int calls = 0;
  Bench s({pass_all, [&](std::string_view data, bool, std::uint64_t& consumed) {
             if (++calls == 1) {
               consumed = 2;  // goes on when resumed, not before
               return Verdict::kPause;
             }
             consumed = data.size();
             return Verdict::kContinue;
           }});
  EXPECT_EQ(s.push("abcd"), State::kPaused);
  EXPECT_EQ(s.recorder.out, "");
  EXPECT_EQ(s.push("ef", true), State::kPaused);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(s.resume(), State::kDone);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(s.recorder.out, "abcdef");
  EXPECT_EQ(s.resume(), State::kDone);  // nothing happens twice
}

TEST(BodyPipe, PauseAtTheEndWithAllConsumedIsNotAskedAgain) {
  int calls = 0;
  Bench s({[&](std::string_view data, bool, std::uint64_t& consumed) {
    ++calls;
    consumed = data.size();
    return Verdict::kPause;
  }});
  EXPECT_EQ(s.push("abc", true), State::kPaused);
  EXPECT_FALSE(s.recorder.ended);
  EXPECT_EQ(s.resume(), State::kDone);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(s.recorder.out, "abc");
}

TEST(BodyPipe, FindsNonsense) {
  struct Case {
    const char* why;
    std::uint64_t consumed;
    bool last;
    std::size_t bytes;
  } const cases[] = {{"consumed more", 4, false, 3},
                     {"consumed more", UINT64_MAX, true, 3},
                     {"left bytes behind", 2, true, 3},
                     {"holds 64 KiB", 0, false, BodyPipe::kHighWater}};
  for (const Case& test : cases) {
    SCOPED_TRACE(test.why);
    Bench s({pass_all, [&](std::string_view, bool, std::uint64_t& consumed) {
               consumed = test.consumed;
               return Verdict::kContinue;
             }});
    EXPECT_EQ(s.push(std::string(test.bytes, 'x'), test.last), State::kMisused);
    EXPECT_EQ(s.pipe.step(), 1u);
    ASSERT_NE(s.pipe.misuse(), nullptr);
    EXPECT_NE(std::string(s.pipe.misuse()).find(test.why), std::string::npos) << s.pipe.misuse();
    EXPECT_EQ(s.recorder.out, "");
    EXPECT_EQ(s.push("more"), State::kMisused);
  }
}

TEST(BodyPipe, ReplyStopsEverything) {
  Bench s({[](std::string_view, bool, std::uint64_t&) { return Verdict::kReplied; }, pass_all});
  EXPECT_EQ(s.push("abc", true), State::kReplied);
  EXPECT_EQ(s.pipe.step(), 0u);
  EXPECT_EQ(s.recorder.out, "");
}

// Filters that hold, pause and pass at random never lose, double or reorder a byte.
TEST(BodyPipe, RandomFiltersKeepTheBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    auto moody = [&](std::string_view data, bool last, std::uint64_t& consumed) {
      const bool pause = random() % 3 == 0;
      consumed = last && !pause ? data.size() : random() % (data.size() + 1);
      return pause ? Verdict::kPause : Verdict::kContinue;
    };
    Bench s({moody, moody, moody});
    std::string in;
    const int pieces = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < pieces; ++i) {
      std::string piece(random() % 50, static_cast<char>('a' + i));
      in += piece;
      s.push(piece, i + 1 == pieces);
      if (random() % 2 == 0) s.resume();
    }
    for (int i = 0; i < 10000 && s.pipe.state() == State::kPaused; ++i) s.resume();
    ASSERT_EQ(s.pipe.state(), State::kDone) << round;
    ASSERT_EQ(s.recorder.out, in) << round;
    ASSERT_TRUE(s.recorder.ended);
  }
}

}  // namespace
}  // namespace gw::pipeline
