// SPDX-License-Identifier: Apache-2.0
#include "settings/values.h"

#include <gmock/gmock.h>

namespace gw::settings {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Values, Numbers) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-12"), -12);
  EXPECT_EQ(parse_integer("+12"), 12);
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  for (const char* bad : {"", " 1", "1 ", "1.0", "0x10", "+-1", "+", "9223372036854775808", "x"})
    EXPECT_EQ(parse_integer(bad), std::nullopt) << bad;
  EXPECT_EQ(parse_float("0.25"), 0.25);
  EXPECT_EQ(parse_float("-1e3"), -1000);
  for (const char* bad : {"", "inf", "nan", "1e999", "0.5s"})
    EXPECT_EQ(parse_float(bad), std::nullopt) << bad;
  EXPECT_EQ(parse_boolean("true"), true);
  EXPECT_EQ(parse_boolean("false"), false);
  for (const char* bad : {"", "True", "1", "yes"}) EXPECT_EQ(parse_boolean(bad), std::nullopt);
}

TEST(Values, Durations) {
  EXPECT_EQ(parse_duration("250"), 250);
  EXPECT_EQ(parse_duration("250ms"), 250);
  EXPECT_EQ(parse_duration("30s"), 30000);
  EXPECT_EQ(parse_duration("5m"), 300000);
  EXPECT_EQ(parse_duration("2h"), 7200000);
  for (const char* bad : {"", "s", "-1s", "1.5s", "1 s", "1d", "1S", "9223372036854775807h"})
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
}

TEST(Values, Sizes) {
  EXPECT_EQ(parse_size("4096"), 4096);
  EXPECT_EQ(parse_size("16KiB"), 16384);
  EXPECT_EQ(parse_size("1MiB"), 1048576);
  EXPECT_EQ(parse_size("1GiB"), 1073741824);
  for (const char* bad : {"", "KiB", "1KB", "1kib", "-1KiB", "9223372036854775807GiB"})
    EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
}

TEST(Values, Lists) {
  EXPECT_THAT(split_list(""), IsEmpty());
  EXPECT_THAT(split_list("  "), IsEmpty());
  EXPECT_THAT(split_list("a"), ElementsAre("a"));
  EXPECT_THAT(split_list(" a, b ,c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split_list("a,,"), ElementsAre("a", "", ""));
}

TEST(Values, NearestIsASlipNotAGuess) {
  std::vector<std::string_view> known = {"jwks_uri", "issuer", "capacity"};
  EXPECT_EQ(nearest("jwks_url", known), "jwks_uri");
  EXPECT_EQ(nearest("JWKS-URI", known), "jwks_uri");
  EXPECT_EQ(nearest("isuser", known), "issuer");
  EXPECT_EQ(nearest("capasity", known), "capacity");
  EXPECT_EQ(nearest("issuer_of_tokens", known), "issuer");
  EXPECT_EQ(nearest("cap", known), "capacity");
  EXPECT_EQ(nearest("ca", known), "");
  EXPECT_EQ(nearest("timeout", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest(std::string(100000, 'x'), known), "");
}

}  // namespace
}  // namespace gw::settings
