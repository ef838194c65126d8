// SPDX-License-Identifier: Apache-2.0
//
// The program's commands that end by themselves: check, inspect, and those that plugins bring.
#pragma once

#include <string>
#include <vector>

#include "config/gateway_config.h"
#include "server/command_line.h"

namespace gw::server {

// How every command reads gateway.toml: plugins are looked for beside the program's own folder.
config::LoadOptions load_options();

// Prints every complaint about the configuration, those of its plugins included, or that it is
// good.
ExitCode check(const std::string& config);

// Prints the manifest of a plugin's file, and whether this gateway can load it.
ExitCode inspect(const std::string& plugin);

// Runs the command `arguments[0]` on the first instance of the configuration that brings it.
int run_plugin_command(const std::string& config, const std::vector<std::string>& arguments);

// The commands of the configuration's plugins for --help; empty when they cannot be told.
std::string plugin_commands_help(const std::string& config);

}  // namespace gw::server
