// SPDX-License-Identifier: Apache-2.0
//
// What of a configuration a running gateway cannot take over.
#pragma once

#include "config/gateway_config.h"
#include "settings/complaints.h"

namespace gw::server {

// Complains about every key of [server] that is fixed at start and has another value now, and about
// listeners that a reload cannot open: plugins that carry over have judged by whom they are reached.
void complain_about_restart(const config::GatewayConfig& running, const config::GatewayConfig& next,
                            settings::Complaints& complaints);

}  // namespace gw::server
