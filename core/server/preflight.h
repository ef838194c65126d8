// SPDX-License-Identifier: Apache-2.0
//
// Preflight: new plugin code meets a process that may die of it first. Before a reload loads what
// has changed, a child of this program (`gateway preflight`, not in --help) loads each such plugin,
// creates its instance from the configuration, destroys it and unloads it. A crash, a hang or an
// exit there ends the child, and the reload is refused; what the plugin merely complains about is
// left to the gateway, which says it with its place. The start, `gateway check`, `--help` and the
// commands of plugins do the same with all plugins.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/gateway_config.h"
#include "net/loop.h"
#include "plugin_host/instance.h"
#include "plugin_host/private_folder.h"
#include "server/command_line.h"

namespace gw::server {

// [main]
class Preflight {
 public:
  struct Failure {
    std::string plugin;  // the instance's name; empty: none had begun
    std::string why;     // "crashed in create: SIGSEGV (Segmentation fault)"
  };
  using Done = std::function<void(const std::optional<Failure>&)>;

  // The instances that a reload would make anew and whose files can be read.
  static std::vector<std::string> candidates(
      const config::GatewayConfig& next,
      const std::vector<std::shared_ptr<plugin_host::Instance>>& running);

  // Says it of the plugin's place in that configuration.
  static void complain(const Failure& failure, const config::GatewayConfig& next,
                       settings::Complaints& complaints);

  // All plugins of the configuration at `path`, waiting for it: where no loop runs yet. Nothing: all is well, or what is wrong can be told without a child.
  static std::optional<Failure> try_all(const std::string& path,
                                        const config::GatewayConfig& config);

  // `done` runs once, never inside this call, unless the preflight is destroyed before. The error
  // says why no child could be made.
  static base::Result<std::unique_ptr<Preflight>> start(net::Loop& main, const std::string& config,
                                                        const std::vector<std::string>& plugins,
                                                        std::uint32_t timeout_ms, Done done);
  // Ends the child if it still runs, and what it started.
  ~Preflight();
  Preflight(const Preflight&) = delete;
  Preflight& operator=(const Preflight&) = delete;

 private:
  Preflight() = default;
  void ended();
  std::optional<Failure> judge(int status) const;

  int child_ = -1;  // process id, until it was waited for
  int handle_ = -1;
  int notes_ = -1;  // where the child is
  int said_ = -1;   // what plugins say there
  bool late_ = false;
  std::uint32_t timeout_ms_ = 0;
  plugin_host::PrivateFolder folder_;  // the child's, which may not live to remove it
  std::unique_ptr<net::FdWatch> watch_;
  net::Timer patience_;
  Done done_;
};

// The child's side. `arguments`: its parent's process, the folder for copies of libraries, then names
// of instances.
ExitCode preflight(const std::string& config, const std::vector<std::string>& arguments);

}  // namespace gw::server
