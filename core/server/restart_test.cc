// SPDX-License-Identifier: Apache-2.0
#include "server/restart.h"

#include <gtest/gtest.h>

namespace gw::server {
namespace {

std::shared_ptr<const config::GatewayConfig> load(const std::string& server) {
  settings::Complaints complaints;
  auto config = config::load_text(server + R"(
[[plugin]]
name = "a"
file = "a.so"
[[pipeline]]
filters = ["a"]
)",
                                  "x.toml", "/", {}, complaints);
  EXPECT_TRUE(complaints.empty()) << complaints.text();
  return config;
}

std::string complaints_of(const std::string& running, const std::string& next) {
  settings::Complaints complaints;
  complain_about_restart(*load(running), *load(next), complaints);
  return complaints.text();
}

const std::string kBase = "[server]\nlisten = [\"127.0.0.1:8080\"]\nworkers = 1\n";

TEST(Restart, IsNotNeededForWhatAReloadTakesOver) {
  EXPECT_EQ(complaints_of(kBase, kBase), "");
  EXPECT_EQ(complaints_of(kBase, kBase + "log_level = \"debug\"\ndrain_timeout = \"5s\"\n"), "");
}

TEST(Restart, IsNeededForLimits) {
  const std::string text = complaints_of(
      kBase, "[server]\nlisten = [\"127.0.0.1:8081\"]\nworkers = 2\nwatchdog_ms = 5\n");
  EXPECT_EQ(text.find("listen"), std::string::npos) << text;
  EXPECT_NE(text.find("x.toml:3:1: [server] workers has changed"), std::string::npos) << text;
  EXPECT_NE(text.find("x.toml:4:1: [server] watchdog_ms has changed"), std::string::npos) << text;
  EXPECT_NE(complaints_of(kBase, "[server]\nlisten = [\"127.0.0.1:8080\"]\n")
                .find("x.toml:1:2: [server] workers is gone"),
            std::string::npos);
}

TEST(Restart, IsNeededBeforeOthersCanReachTheGateway) {
  const std::string open = "[server]\nlisten = [\"0.0.0.0:8080\"]\nworkers = 1\n";
  EXPECT_NE(complaints_of(kBase, open).find("x.toml:2:1: listener 0.0.0.0:8080 is the first"),
            std::string::npos)
      << complaints_of(kBase, open);
  EXPECT_EQ(complaints_of(open, "[server]\nlisten = [\"*:8081\"]\nworkers = 1\n"), "");
  EXPECT_EQ(complaints_of(open, kBase), "");
  const auto socket = [](const char* mode) {
    return std::string("[[listener]]\nname = \"a\"\naddress = \"unix:/x\"\nmode = \"") + mode +
           "\"\n";
  };
  EXPECT_EQ(complaints_of(socket("0600"), socket("0600")), "");
  EXPECT_NE(complaints_of(socket("0600"), socket("0666")).find("mode of unix:/x has changed"),
            std::string::npos);
}

}  // namespace
}  // namespace gw::server
