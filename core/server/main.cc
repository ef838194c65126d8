// SPDX-License-Identifier: Apache-2.0
//
// The gateway program. What each step does stands beside its declaration.
#include <gateway/plugin.h>

#include <iostream>

#include "server/command_line.h"
#include "server/commands.h"
#include "server/crash_handler.h"
#include "server/descriptors.h"
#include "server/preflight.h"
#include "server/server.h"

int main(int argc, char** argv) {
  using namespace gw::server;
  open_standard_descriptors();
  const CrashStack stack;
  install_crash_handler();
  const CommandLine line = parse_command_line(argc, argv);
  switch (line.action) {
    case CommandLine::Action::kServe:
      return serve(line.config);
    case CommandLine::Action::kCheck:
      return check(line.config);
    case CommandLine::Action::kInspect:
      return inspect(line.file);
    case CommandLine::Action::kPreflight:
      return preflight(line.config, line.rest);
    case CommandLine::Action::kPluginCommand:
      return run_plugin_command(line.config, line.rest);
    case CommandLine::Action::kHelp:
      std::cout << line.text << plugin_commands_help(line.config);
      return kSuccess;
    case CommandLine::Action::kVersion:
      std::cout << "gateway " GW_VERSION " (plugin ABI " << GW_ABI_MAJOR << "." << GW_ABI_MINOR
                << ")\n";
      return kSuccess;
    case CommandLine::Action::kWrong:
      break;
  }
  std::cerr << "gateway: " << line.text << "\nTry gateway --help.\n";
  return kUsage;
}
