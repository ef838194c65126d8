// SPDX-License-Identifier: Apache-2.0
#include "server/command_line.h"

#include <gtest/gtest.h>

namespace gw::server {
namespace {

using Action = CommandLine::Action;

CommandLine parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "gateway");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(CommandLine, ServesByDefault) {
  const CommandLine line = parse({});
  EXPECT_EQ(line.action, Action::kServe);
  EXPECT_EQ(line.config, "gateway.toml");
  EXPECT_EQ(parse({"--config", "x.toml"}).config, "x.toml");
}

TEST(CommandLine, ChecksAndInspects) {
  EXPECT_EQ(parse({"check"}).action, Action::kCheck);
  EXPECT_EQ(parse({"check"}).config, "gateway.toml");
  EXPECT_EQ(parse({"check", "other.toml"}).config, "other.toml");
  EXPECT_EQ(parse({"--config", "x.toml", "check"}).config, "x.toml");
  const CommandLine inspect = parse({"inspect", "a.so"});
  EXPECT_EQ(inspect.action, Action::kInspect);
  EXPECT_EQ(inspect.file, "a.so");
}

TEST(CommandLine, LeavesACommandOfAPluginToThePlugin) {
  const CommandLine line = parse({"--config", "x.toml", "token", "--sub", "alice", "--help"});
  EXPECT_EQ(line.action, Action::kPluginCommand);
  EXPECT_EQ(line.config, "x.toml");
  EXPECT_EQ(line.rest, (std::vector<std::string>{"token", "--sub", "alice", "--help"}));
}

TEST(CommandLine, SaysWhatIsWrong) {
  EXPECT_EQ(parse({"inspect"}).action, Action::kWrong);
  EXPECT_EQ(parse({"check", "a", "b"}).action, Action::kWrong);
  EXPECT_EQ(parse({"--nonsense"}).action, Action::kWrong);
  EXPECT_EQ(parse({"--config"}).action, Action::kWrong);
}

TEST(CommandLine, HelpsAndTellsItsVersion) {
  EXPECT_EQ(parse({"--version"}).action, Action::kVersion);
  const CommandLine help = parse({"--help"});
  EXPECT_EQ(help.action, Action::kHelp);
  EXPECT_NE(help.text.find("inspect"), std::string::npos);
  EXPECT_NE(parse({"inspect", "--help"}).text.find("PLUGIN"), std::string::npos);
}

}  // namespace
}  // namespace gw::server
