// SPDX-License-Identifier: Apache-2.0
#include "server/command_line.h"

#include <CLI/CLI.hpp>

namespace gw::server {

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app("A gateway for ticket shops.", "gateway");
  bool version = false;
  app.add_option("--config", line.config, "Configuration file")->capture_default_str();
  app.add_flag("--version", version, "Print the version and exit");
  // What is not known here may be a plugin's command; everything behind it is that command's own.
  app.prefix_command();

  CLI::App* check = app.add_subcommand("check", "Say what is wrong with a configuration");
  check->add_option("FILE", line.config, "Configuration file")->capture_default_str();
  CLI::App* inspect =
      app.add_subcommand("inspect", "Show what a plugin says of itself, and whether it loads");
  inspect->add_option("PLUGIN", line.file, "The plugin's file")->required();

  // Of the program to itself (preflight.h): in no help.
  CLI::App* preflight = app.add_subcommand("preflight", "")->group("");

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    line.action = CommandLine::Action::kHelp;
    const CLI::App* about = &app;
    for (const CLI::App* sub : {check, inspect})
      if (sub->parsed()) about = sub;
    line.text = about->help();
    return line;
  } catch (const CLI::ParseError& error) {
    line.action = CommandLine::Action::kWrong;
    line.text = error.what();
    return line;
  }

  line.rest = app.remaining(true);  // also of `check` and `inspect`, which inherit prefix_command
  if (preflight->parsed()) {
    line.action = CommandLine::Action::kPreflight;
    return line;
  }
  const bool own = check->parsed() || inspect->parsed();
  if (!line.rest.empty() && (own || line.rest.front().starts_with("-"))) {
    line.action = CommandLine::Action::kWrong;
    line.text = "unexpected argument " + line.rest.front();
  } else if (version) {
    line.action = CommandLine::Action::kVersion;
  } else if (check->parsed()) {
    line.action = CommandLine::Action::kCheck;
  } else if (inspect->parsed()) {
    line.action = CommandLine::Action::kInspect;
  } else if (!line.rest.empty()) {
    line.action = CommandLine::Action::kPluginCommand;
  }
  return line;
}

}  // namespace gw::server
