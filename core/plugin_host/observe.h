// SPDX-License-Identifier: Apache-2.0
//
// gw.metrics/1 and gw.health/1 over the registries of the process.
#pragma once

#include <gateway/plugin.h>

namespace gw::plugin_host {

const gw_metrics_api* metrics_api();
const gw_health_api* health_api();

}  // namespace gw::plugin_host
