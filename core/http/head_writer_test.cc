// SPDX-License-Identifier: Apache-2.0
#include "http/head_writer.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/arena.h"

namespace gw::http {
namespace {

constexpr std::size_t kLongest = 140;

// Different at each place.
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

std::string text_of(std::size_t size, char first) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(first + i % 23);
  return text;
}

TEST(HeadWriter, CopiesFieldsOfAnyLength) {
  base::ChunkPool pool;
  base::SystemClock clock;
  HeadWriter writer(clock);
  for (std::size_t size = 0; size < kLongest; ++size) {
    base::Arena arena(pool);
    RequestHead head(arena);
    const std::string name = text_of(size + 1, 'A');
    const std::string value = text_of(size, 'a');
    const std::string together =
        joined({"x", name, ": ", value});  // as it is received, not at its start
    const std::string apart = joined({name, ":  ", value});
    head.method = "GET";
    head.path = name;
    head.has_query = true;
    head.query = value;
    const std::string_view received = std::string_view(together).substr(1);
    ASSERT_TRUE(
        head.fields.add(name, value) &&
        head.fields.add(received.substr(0, name.size()), received.substr(name.size() + 2)) &&
        head.fields.add(std::string_view(apart).substr(0, name.size()),
                        std::string_view(apart).substr(name.size() + 3)));
    head.framing = Framing::kLength;
    head.content_length = size * 1000000007;
    const std::string line = joined({name, ": ", value, "\r\n"});
    EXPECT_EQ(joined({"GET ", name, "?", value, " HTTP/1.1\r\nHost: ", value, "\r\n", line, line,
                      line, "Content-Length: ", std::to_string(size * 1000000007), "\r\n\r\n"}),
              writer.request(head, value));
  }
}

TEST(HeadWriter, WritesReceivedFieldsWhateverStandsBetweenThem) {
  base::ChunkPool pool;
  base::SystemClock clock;
  HeadWriter writer(clock);
  for (const std::string colon : {": ", ":", ":  ", " :"}) {
    for (const std::string end : {"\r\n", " \r\n", "\n", "\n\n", ""}) {
      const std::string text = joined({"A", colon, "1", end, "Bc", colon, end, "D", colon, "2"});
      const std::string_view all = text;
      const std::size_t second = 2 + colon.size() + end.size();
      const std::size_t third = second + 2 + colon.size() + end.size();
      const Field fields[] = {{all.substr(0, 1), all.substr(1 + colon.size(), 1)},
                              {all.substr(second, 2), all.substr(second + 2 + colon.size(), 0)},
                              {all.substr(third, 1), all.substr(third + 1 + colon.size())}};
      const std::string lines[] = {"A: 1\r\n", "Bc: \r\n", "D: 2\r\n"};
      // All ways of leaving some of them out, in both orders.
      for (unsigned chosen = 0; chosen < 16; ++chosen) {
        base::Arena arena(pool);
        ResponseHead head(arena);
        head.status = 103;
        std::string wanted = "HTTP/1.1 103 Early Hints\r\n";
        for (unsigned i = 0; i < 3; ++i) {
          const unsigned at = chosen < 8 ? i : 2 - i;
          if ((chosen >> at & 1) == 0) continue;
          ASSERT_TRUE(head.fields.add(fields[at].name, fields[at].value));
          wanted += lines[at];
        }
        EXPECT_EQ(wanted + "\r\n", writer.informational(head)) << colon << "|" << end;
      }
    }
  }
}

TEST(HeadWriter, AddsGroupsUnlessOneOfTheirNamesIsThere) {
  base::ChunkPool pool;
  base::Arena arena(pool);
  base::SystemClock clock;
  HeadWriter writer(clock);
  ServerSettings settings;
  settings.response_headers = {{{{"A", "1"}, {"B", "2"}}, {304}}, {{{"C", "3"}}, {}, true}};
  ResponseHead head(arena);
  head.status = 200;
  ASSERT_TRUE(head.fields.add("Date", "then"));
  AnswerFrame frame;
  const auto answer = [&] { return std::string(writer.final_answer(head, frame, settings)); };
  const std::string start = "HTTP/1.1 200 OK\r\nDate: then\r\n";
  EXPECT_EQ(start + "A: 1\r\nB: 2\r\n\r\n", answer());
  frame.https = true;
  EXPECT_EQ(start + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", answer());
  head.status = 304;
  EXPECT_EQ("HTTP/1.1 304 Not Modified\r\nDate: then\r\nC: 3\r\n\r\n", answer());
  head.status = 200;
  ASSERT_TRUE(head.fields.add("b", "4"));
  EXPECT_EQ(start + "b: 4\r\nC: 3\r\n\r\n", answer());
}

TEST(HeadWriter, GrowsForAHeadOfAnySize) {
  base::ChunkPool pool;
  base::Arena arena(pool);
  base::SystemClock clock;
  HeadWriter writer(clock);
  ResponseHead head(arena);
  head.status = 599;
  head.reason = "So";
  const std::string value(5000, 'v');
  std::string fields;
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(head.fields.add("Name", value));
    fields += "Name: " + value + "\r\n";
  }
  EXPECT_EQ("HTTP/1.1 599 So\r\n" + fields + "\r\n", writer.informational(head));
}

}  // namespace
}  // namespace gw::http
