// SPDX-License-Identifier: Apache-2.0
#include "trace_context.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace gw::tracing {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c";
const std::string kLong = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kSpan = "b7ad6b7169203331";
const std::string kZeros(16, '0');

// "trace span decision", "- decision", or "" when nothing is understood.
std::string read(const Pairs& sent) {
  TraceHeaders headers;
  for (const auto& [name, value] : sent) {
    const auto header = find_trace_header(name);
    EXPECT_TRUE(header) << name;
    if (header) headers.add(*header, value);
  }
  const Caller caller = read_caller(headers);
  constexpr const char* kDecisions[] = {"?", "no", "yes", "debug"};
  const std::string decision = kDecisions[static_cast<int>(caller.sampled)];
  if (caller.has_ids)
    return std::string(text(caller.trace)) + " " + std::string(text(caller.span)) + " " + decision;
  return caller.sampled == Sampled::kUndecided ? "" : "- " + decision;
}

TEST(TraceContext, ReadsEveryForm) {
  const std::string ids = kTrace + " " + kSpan, dashed = kTrace + "-" + kSpan;
  const struct {
    Pairs sent;
    std::string understood;
  } cases[] = {
      {{{"traceparent", "00-" + dashed + "-01"}}, ids + " yes"},
      {{{"Traceparent", "00-" + dashed + "-00"}}, ids + " no"},
      {{{"traceparent", "00-" + dashed + "-ff"}}, ids + " yes"},
      {{{"traceparent", "00-" + dashed + "-0a"}}, ids + " no"},
      {{{"traceparent", "cc-" + dashed + "-01"}}, ids + " yes"},
      {{{"traceparent", "cc-" + dashed + "-01-what-comes"}}, ids + " yes"},
      {{{"b3", dashed + "-1"}}, ids + " yes"},
      {{{"B3", dashed + "-0-" + kSpan}}, ids + " no"},
      {{{"b3", dashed + "-d"}}, ids + " debug"},
      {{{"b3", dashed}}, ids + " ?"},
      {{{"b3", kSpan + "-" + kSpan}}, kZeros + kSpan + " " + kSpan + " ?"},
      {{{"b3", "0"}}, "- no"},
      {{{"b3", "1"}}, "- yes"},
      {{{"b3", "d"}}, "- debug"},
      {{{"X-B3-TraceId", kTrace}, {"X-B3-SpanId", kSpan}}, ids + " ?"},
      {{{"X-B3-TraceId", kTrace}, {"X-B3-SpanId", kSpan}, {"X-B3-Sampled", "1"}}, ids + " yes"},
      {{{"X-B3-TraceId", kTrace},
        {"X-B3-SpanId", kSpan},
        {"X-B3-ParentSpanId", kSpan},
        {"X-B3-Sampled", "0"}},
       ids + " no"},
      {{{"x-b3-traceid", kTrace}, {"x-b3-spanid", kSpan}, {"x-b3-flags", "1"}}, ids + " debug"},
      {{{"X-B3-Sampled", "false"}}, "- no"},
      {{}, ""},
      {{{"tracestate", "a=b"}}, ""},
  };
  for (const auto& test : cases)
    EXPECT_EQ(read(test.sent), test.understood) << ::testing::PrintToString(test.sent);
}

TEST(TraceContext, TheFirstWellFormedFormCounts) {
  const std::pair<std::string, std::string> w3c = {"traceparent",
                                                   "00-" + kTrace + "-" + kSpan + "-00"},
                                            b3 = {"b3", kLong + "-" + kSpan + "-1"},
                                            trace = {"X-B3-TraceId", std::string(32, 'a')},
                                            span = {"X-B3-SpanId", kSpan};
  EXPECT_EQ(read({b3, w3c, trace, span}), kTrace + " " + kSpan + " no");
  EXPECT_EQ(read({trace, b3, span}), kLong + " " + kSpan + " yes");
  EXPECT_EQ(read({{"traceparent", "00-x"}, b3}), kLong + " " + kSpan + " yes");
  EXPECT_EQ(read({{"b3", "x"}, trace, span}), trace.second + " " + kSpan + " ?");
}

TEST(TraceContext, MalformedIsAsIfAbsent) {
  const std::string dashed = kTrace + "-" + kSpan;
  std::string upper = kTrace;
  upper[1] = 'A';
  const Pairs cases[] = {
      {{"traceparent", ""}},
      {{"traceparent", "00-" + dashed}},
      {{"traceparent", "00-" + dashed + "-1"}},
      {{"traceparent", "00-" + dashed + "-01-"}},
      {{"traceparent", "00-" + dashed + "-01 "}},
      {{"traceparent", " 00-" + dashed + "-01"}},
      {{"traceparent", "00-" + dashed + "-0g"}},
      {{"traceparent", "0x-" + dashed + "-01"}},
      {{"traceparent", "ff-" + dashed + "-01"}},
      {{"traceparent", "cc-" + dashed + "-01x"}},
      {{"traceparent", "00-" + upper + "-" + kSpan + "-01"}},
      {{"traceparent", "00-" + kZeros + kZeros + "-" + kSpan + "-01"}},
      {{"traceparent", "00-" + kTrace + "-" + kZeros + "-01"}},
      {{"traceparent", "00_" + kTrace + "-" + kSpan + "-01"}},
      {{"traceparent", "00-" + dashed + "-01"}, {"traceparent", "00-" + dashed + "-01"}},
      {{"traceparent", std::string(100000, '0')}},
      {{"b3", ""}},
      {{"b3", "2"}},
      {{"b3", "-"}},
      {{"b3", kTrace}},
      {{"b3", dashed + "-"}},
      {{"b3", dashed + "-2"}},
      {{"b3", dashed + "-1-"}},
      {{"b3", dashed + "-1-" + kZeros}},
      {{"b3", dashed + "-1-" + kSpan + "-1"}},
      {{"b3", kZeros + "-" + kSpan + "-1"}},
      {{"b3", kTrace + "-" + kZeros + "-1"}},
      {{"b3", kTrace.substr(1) + "-" + kSpan}},
      {{"b3", dashed + "-1"}, {"b3", dashed + "-1"}},
      {{"b3", std::string(100000, '-')}},
      {{"X-B3-TraceId", kTrace}},
      {{"X-B3-SpanId", kSpan}},
      {{"X-B3-TraceId", upper}, {"X-B3-SpanId", kSpan}, {"X-B3-Sampled", "1"}},
      {{"X-B3-TraceId", kTrace}, {"X-B3-SpanId", kSpan}, {"X-B3-Sampled", "yes"}},
      {{"X-B3-TraceId", kTrace}, {"X-B3-SpanId", kSpan}, {"X-B3-Flags", "2"}},
      {{"X-B3-TraceId", kTrace}, {"X-B3-SpanId", kSpan}, {"X-B3-ParentSpanId", "0"}},
      {{"X-B3-TraceId", kTrace}, {"X-B3-TraceId", kTrace}, {"X-B3-SpanId", kSpan}},
      {{"X-B3-TraceId", kTrace},
       {"X-B3-SpanId", kSpan},
       {"X-B3-Sampled", "1"},
       {"X-B3-Sampled", "1"}},
      {{"X-B3-Flags", "0"}},
  };
  for (const Pairs& sent : cases)
    EXPECT_EQ(read(sent), "") << ::testing::PrintToString(sent).substr(0, 300);
}

TEST(TraceContext, NamesInAnyCase) {
  EXPECT_EQ(find_trace_header("TraceParent"), TraceHeader::kTraceparent);
  EXPECT_EQ(find_trace_header("X-B3-ParentSpanId"), TraceHeader::kB3ParentSpanId);
  for (const char* other : {"", "b", "b3x", "traceparen", "x-b3-", "x_b3_traceid"})
    EXPECT_FALSE(find_trace_header(other)) << other;
}

TEST(TraceContext, WritesTraceparent) {
  TraceHeaders headers;
  const std::string sent = kLong + "-" + kSpan;
  headers.add(TraceHeader::kB3, sent);
  const Caller caller = read_caller(headers);
  const auto kept = write_traceparent(caller.trace, caller.span, true);
  EXPECT_EQ(text(kept), "00-" + kLong + "-" + kSpan + "-01");
  const auto left_out = write_traceparent(caller.trace, caller.span, false);
  EXPECT_EQ(text(left_out), "00-" + kLong + "-" + kSpan + "-00");
}

}  // namespace
}  // namespace gw::tracing
