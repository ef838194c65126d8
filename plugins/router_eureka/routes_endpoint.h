// SPDX-License-Identifier: Apache-2.0
//
// /actuator/gateway/routes and /actuator/gateway/routes/{id}, as Spring Cloud Gateway answers them.
#pragma once

#include <gateway/plugin.hpp>

#include "directory.h"
#include "route.h"

namespace gw::router {

// Is it /actuator/gateway or below?
bool is_routes_endpoint(std::string_view path);

// For such a path.
Verdict answer_routes(Exchange x, const RouteTable& routes, bool locator,
                      const Directory& directory, std::string_view own_application);

// How many routes there are.
std::size_t count_routes(const RouteTable& routes, bool locator, const Directory& directory,
                         std::string_view own_application);

}  // namespace gw::router
