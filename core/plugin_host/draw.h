// SPDX-License-Identifier: Apache-2.0
//
// From a configuration to a blueprint: finds and loads the plugins, checks each configuration by
// its plugin's schema and by the plugin itself, and checks that the pipelines fit together.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/gateway_config.h"
#include "plugin_host/blueprint.h"
#include "plugin_host/library.h"
#include "settings/complaints.h"

namespace gw::plugin_host {

// [main] Instances of `running` that would come out the same are taken over. `complaints` gets all
// that is wrong; unless it stays empty, the blueprint is not to be used.
Blueprint draw(Host& host, Libraries& libraries,
               std::shared_ptr<const config::GatewayConfig> config,
               const std::vector<std::shared_ptr<Instance>>& running,
               settings::Complaints& complaints);

// [main] Loads one plugin of the configuration, creates its instance, destroys it and unloads it.
// `step` hears what comes next ("in create") and for which instance. Complaints are dropped.
void try_plugin(Host& host, Libraries& libraries,
                const std::shared_ptr<const config::GatewayConfig>& config, const std::string& name,
                const std::function<void(const std::string& phase, const std::string& name)>& step);

// The file of a plugin: as it is when absolute, beside the configuration when it has a folder, else
// the first of that name in the plugin path.
base::Result<std::filesystem::path> plugin_file(const config::GatewayConfig& config,
                                                const std::string& name);

}  // namespace gw::plugin_host
