// SPDX-License-Identifier: Apache-2.0
//
// The configuration of a router instance, read and compiled.
#pragma once

#include <gateway/plugin.hpp>
#include <memory>
#include <string>
#include <vector>

#include "directory.h"
#include "eureka_client.h"
#include "route.h"

namespace gw::router {

struct Settings {
  RouteTable routes;
  // Default filters for the routes of the discovery locator; null when that is off.
  std::unique_ptr<Route> locator;
  std::vector<Service> services;  // configured ones
  EurekaOptions eureka;
  std::string hostname, ip_address;  // empty: found out at the start
  bool prefer_ip = false;
};

// Complains about all that is wrong, then throws ConfigError.
Settings read_settings(Config config);

}  // namespace gw::router
