// SPDX-License-Identifier: Apache-2.0
#include "echo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <gateway/json.hpp>

#include "testing/fake_host.h"

namespace gw::echo {
namespace {

nlohmann::json parsed(const std::string& text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value.value_or(nlohmann::json());
}

nlohmann::json with_body(std::string_view text) {
  Body body;
  body.append(text);
  return parsed(describe({"POST", "/a", "", "h", {}}, body));
}

TEST(Describe, TextGoesAsTextAndTheRestAsBase64) {
  EXPECT_EQ(with_body("\xea\xb0\x80 text")["body"], "\xea\xb0\x80 text");
  EXPECT_EQ(with_body("\xff\x00z")["bodyBase64"], "/w==");
  EXPECT_EQ(with_body(std::string_view("\xff\0z", 3))["bodyBase64"], "/wB6");
  EXPECT_EQ(with_body("\xff\xfe")["bodyBase64"], "//4=");
  for (const char* wrong :
       {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80", "a\x80", "\xc3"})
    EXPECT_TRUE(with_body(wrong).contains("bodyBase64")) << wrong;
}

TEST(Describe, ABodyIsKeptToABound) {
  Body body;
  for (int i = 0; i < 3; ++i) body.append(std::string(30000, 'x'));
  EXPECT_EQ(body.kept().size(), Body::kMostKept);
  auto answer = parsed(describe({"POST", "/a", "", "h", {}}, body));
  EXPECT_EQ(answer["bodyBytes"], 90000);
  EXPECT_EQ(answer["bodyTruncated"], true);
  EXPECT_EQ(answer["body"].get<std::string>().size(), Body::kMostKept);

  Body korean;
  std::string text;
  while (text.size() < Body::kMostKept + 10) text += "\xea\xb0\x80";
  korean.append(text);
  answer = parsed(describe({"POST", "/a", "", "h", {}}, korean));
  EXPECT_EQ(answer["body"].get<std::string>().size(), Body::kMostKept / 3 * 3);
}

TEST(Plugin, AnswersWithTheRequest) {
  testing::FakeHost host;
  testing::Instance echo(host, gw_plugin_entry, "");
  ASSERT_TRUE(echo.created());
  ASSERT_EQ(echo.start(), GW_OK);
  testing::RequestSpec spec;
  spec.method = "POST";
  spec.target = "/anything/x?a=1&b=%20";
  spec.headers = {{"X-User-Id", "alice"}, {"x-twice", "1"}, {"X-Twice", "2"}};
  spec.body = {"{\"seat\"", ":1}"};
  testing::Exchange exchange(host, {&echo}, spec);
  host.run();
  ASSERT_TRUE(exchange.done());
  EXPECT_EQ(exchange.status(), 200u);
  EXPECT_EQ(exchange.header("content-type"), "application/json");
  auto answer = parsed(exchange.body());
  EXPECT_EQ(answer["method"], "POST");
  EXPECT_EQ(answer["path"], "/anything/x");
  EXPECT_EQ(answer["query"], "a=1&b=%20");
  EXPECT_EQ(answer["authority"], "localhost");
  EXPECT_EQ(answer["body"], "{\"seat\":1}");
  EXPECT_EQ(answer["bodyBytes"], 10);
  EXPECT_EQ(answer["bodyTruncated"], false);
  for (const nlohmann::json& header :
       {nlohmann::json{"X-User-Id", "alice"}, {"x-twice", "1"}, {"X-Twice", "2"}})
    EXPECT_THAT(answer["headers"], ::testing::Contains(header));
}

TEST(Plugin, AnswersWithoutABodyToo) {
  testing::FakeHost host;
  testing::Instance echo(host, gw_plugin_entry, "");
  ASSERT_EQ(echo.start(), GW_OK);
  testing::Exchange exchange(host, {&echo}, {});
  host.run();
  ASSERT_TRUE(exchange.done());
  EXPECT_EQ(exchange.status(), 200u);
  EXPECT_EQ(parsed(exchange.body())["body"], "");
}

}  // namespace
}  // namespace gw::echo
