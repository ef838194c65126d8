// SPDX-License-Identifier: Apache-2.0
//
// From the configuration to what the HTTP and pipeline rooms are told.
#pragma once

#include <memory>

#include "config/gateway_config.h"
#include "http/server_settings.h"
#include "http/upstream.h"
#include "pipeline/dispatcher.h"

namespace gw::server {

// Shares the configuration, which its functions read.
http::ServerSettings server_settings(std::shared_ptr<const config::GatewayConfig> config);
http::UpstreamLimits upstream_limits(const config::GatewayConfig& config,
                                     std::uint32_t max_connections);
pipeline::DispatcherOptions dispatcher_options(const config::ServerConfig& config);

}  // namespace gw::server
