// SPDX-License-Identifier: Apache-2.0
//
// What comes along with the gateway: configurations, manual, catalogue.
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>
#include <string>

#include "config/gateway_config.h"
#include "config/server_schema.h"

namespace gw::config {
namespace {

std::string source(const std::string& path) {
  return std::string(GW_SOURCE "/") + path;
}

LoadOptions no_environment() {
  LoadOptions options;
  options.environment = [](std::string_view) -> std::optional<std::string> { return std::nullopt; };
  return options;
}

TEST(Shipped, ConfigurationsLoadWithoutAnyEnvironment) {
  for (const char* path : {"gateway.toml", "deploy/gateway.toml"}) {
    settings::Complaints complaints;
    auto config = load_file(source(path), no_environment(), complaints);
    EXPECT_NE(config, nullptr) << complaints.text();
  }
}

void expect_documented(const settings::Schema& schema, const std::string& manual) {
  for (const settings::Key& key : schema.keys) {
    EXPECT_NE(manual.find("`" + key.name + "`"), std::string::npos) << key.name;
    expect_documented(key.keys, manual);
  }
}

TEST(Shipped, TheManualNamesEveryKey) {
  std::stringstream text;
  text << std::ifstream(source("docs/configuration.md")).rdbuf();
  std::string manual = text.str();
  for (const settings::Key& table : gateway_schema().keys) {
    EXPECT_NE(manual.find("[" + table.name + "]"), std::string::npos) << table.name;
    expect_documented(table.keys, manual);
  }
}

TEST(Shipped, TheEnglishCatalogueIsSound) {
  settings::Complaints complaints;
  Messages messages({"ko", "en"}, source("messages"), complaints);
  EXPECT_TRUE(complaints.empty()) << complaints.text();
  EXPECT_EQ(messages.text("USER_ID_REQUIRED", "en", "로그인이 필요합니다."), "Please log in.");
}

}  // namespace
}  // namespace gw::config
