// SPDX-License-Identifier: Apache-2.0
//
// gw_host: every table of the plugin ABI, by id.
#pragma once

#include <gateway/plugin.h>

namespace gw::plugin_host {

// Constant, as long as the process.
const gw_host& host_tables();

}  // namespace gw::plugin_host
