// SPDX-License-Identifier: Apache-2.0
//
// The program's arguments.
//
//   gateway [--config FILE]                 serves
//   gateway check [FILE]                    says what is wrong with a configuration
//   gateway inspect PLUGIN.so               what a plugin's file says of itself, and whether it
//   loads gateway [--config FILE] COMMAND ...     a command that a plugin of the configuration
//   brings
#pragma once

#include <string>
#include <vector>

namespace gw::server {

enum ExitCode { kSuccess = 0, kFailure = 1, kUsage = 2 };

struct CommandLine {
  enum class Action {
    kServe,
    kCheck,
    kInspect,
    kPreflight,
    kPluginCommand,
    kHelp,
    kVersion,
    kWrong
  };
  Action action = Action::kServe;
  std::string config = "gateway.toml";
  std::string file;               // inspect: the plugin
  std::vector<std::string> rest;  // plugin's command: its name and its arguments; preflight: names
  std::string text;               // kHelp: the help; kWrong: what is wrong
};

CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace gw::server
