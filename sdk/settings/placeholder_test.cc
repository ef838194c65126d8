// SPDX-License-Identifier: Apache-2.0
#include "settings/placeholder.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace gw::settings {
namespace {

using ::testing::HasSubstr;

std::optional<std::string> environment(std::string_view name) {
  if (name == "HOST") return "redis";
  if (name == "EMPTY") return "";
  if (name == "NESTED") return "${HOST}";
  return std::nullopt;
}

TEST(Placeholder, IsReplaced) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"plain $ {x} $x", "plain $ {x} $x"},
      {"${HOST}", "redis"},
      {"redis://${HOST:localhost}:${PORT:6379}/0", "redis://redis:6379/0"},
      {"${UNSET:}", ""},
      {"${EMPTY:default}", ""},
      {"${EMPTY}", ""},
      {"${URL:http://localhost:8761/eureka/}", "http://localhost:8761/eureka/"},
      {"${UNSET:${HOST}:1}", "redis:1"},
      {"${UNSET:${ALSO:x}}", "x"},
      {"${UNSET:/a/{b}/c}", "/a/{b}/c"},
      {"${NESTED}", "${HOST}"},  // what a variable holds is not looked at again
      {"$${HOST}", "${HOST}"},
      {"$$${HOST}", "$${HOST}"},
      {"${UNSET:$${HOST}}", "${HOST}"},
      {"$\\{segment}", "$\\{segment}"},
      {"$", "$"},
      {"100$", "100$"},
  };
  for (const auto& [text, expected] : cases) {
    std::string error;
    auto result = expand(text, environment, error);
    EXPECT_EQ(result, expected) << text << ": " << error;
  }
}

TEST(Placeholder, SaysWhatIsWrong) {
  std::string deep;
  for (int i = 0; i < 50; ++i) deep += "${A:";
  deep += std::string(50, '}');
  const std::pair<std::string, const char*> cases[] = {
      {"${UNSET}", "UNSET is not set"},
      {"${HOST", "not closed"},
      {"${", "not closed"},
      {"${}", "not the name"},
      {"${:x}", "not the name"},
      {"${A B:x}", "not the name"},
      {"${1A:x}", "not the name"},
      {"${A-B:x}", "not the name"},
      {deep, "too deep"},
      {std::string(2 << 20, 'x'), "too long"},
  };
  for (const auto& [text, expected] : cases) {
    std::string error;
    EXPECT_EQ(expand(text, environment, error), std::nullopt) << text.substr(0, 40);
    EXPECT_THAT(error, HasSubstr(expected));
  }
}

TEST(Placeholder, ReadsTheProcess) {
  std::string error;
  ASSERT_EQ(setenv("GW_PLACEHOLDER_TEST", "here", 1), 0);
  EXPECT_EQ(expand("${GW_PLACEHOLDER_TEST}", process_environment(), error), "here");
  ASSERT_EQ(unsetenv("GW_PLACEHOLDER_TEST"), 0);
  EXPECT_EQ(expand("${GW_PLACEHOLDER_TEST:gone}", process_environment(), error), "gone");
}

}  // namespace
}  // namespace gw::settings
