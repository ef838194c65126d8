// SPDX-License-Identifier: Apache-2.0
//
// The discovery locator: /{service-id}/** leads to each service of the registry, under its
// application's name in lower case. The gateway's own application is left out, because it would
// lead back here.
#pragma once

#include <optional>
#include <string_view>

#include "directory.h"

namespace gw::router {

// Of route ids, before the application's name.
constexpr std::string_view kLocatorPrefix = "ReactiveCompositeDiscoveryClient_";

struct Located {
  const Service* service;  // as long as the directory
  std::string_view path;   // behind the first segment; a view of `path`, or "/"
};

// By a canonical path. Nothing when its first segment is no such service.
std::optional<Located> locate(const Directory& directory, std::string_view own_application,
                              std::string_view path);

// Is it a service that the locator shows?
bool is_located(const Service& service, std::string_view own_application);

}  // namespace gw::router
