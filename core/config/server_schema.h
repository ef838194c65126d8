// SPDX-License-Identifier: Apache-2.0
//
// The schema of the gateway's own keys, and how [server] becomes values.
#pragma once

#include "config/gateway_config.h"
#include "settings/checked.h"
#include "settings/schema.h"

namespace gw::config {

// Of the whole of gateway.toml; [plugin.config] is left out, as its schema is the plugin's.
settings::Schema gateway_schema();

// Complaints about meaning go to the table's collector. `languages` and `messages` are not read
// here.
ServerConfig read_server(const settings::CheckedTable& server, const LoadOptions& options);

}  // namespace gw::config
