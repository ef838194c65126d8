// SPDX-License-Identifier: Apache-2.0
//
// What of a configuration a running gateway cannot take over, and what none can serve.
#pragma once

#include "config/gateway_config.h"
#include "settings/complaints.h"

namespace gw::server {

// Complains about every listener that was added, removed or changed, and every key of [server] that
// is fixed at start and has another value now.
void complain_about_restart(const config::GatewayConfig& running, const config::GatewayConfig& next,
                            settings::Complaints& complaints);

// Complains about what the configuration knows and the connections do not do: ignoring it would let
// the gateway believe the wrong client address.
void complain_about_unsupported(const config::GatewayConfig& config,
                                settings::Complaints& complaints);

}  // namespace gw::server
