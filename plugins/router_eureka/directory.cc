// SPDX-License-Identifier: Apache-2.0
#include "directory.h"

#include <algorithm>

#include "shortcut.h"

namespace gw::router {
namespace {

Endpoint make_endpoint(const EurekaInstance& instance) {
  Endpoint endpoint;
  bool v6 = instance.host.find(':') != std::string::npos;
  endpoint.address =
      (v6 ? "[" + instance.host + "]" : instance.host) + ":" + std::to_string(instance.port);
  endpoint.tls = instance.secure;
  endpoint.id = endpoint_id(endpoint.address, endpoint.tls);
  return endpoint;
}

}  // namespace

std::uint64_t endpoint_id(std::string_view address, bool tls) {
  std::uint64_t hash = tls ? 0x84222325cbf29ce4u : 0xcbf29ce484222325u;  // FNV-1a
  for (char c : address) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash == 0 ? 1 : hash;
}

Directory::Directory(std::vector<Service> configured, const Registry::Applications& registry)
    : services_(std::move(configured)) {
  for (std::size_t i = 0; i < services_.size(); ++i) by_name_[services_[i].name] = i;
  std::size_t configured_count = services_.size();
  for (const auto& [application, instances] : registry) {
    for (const auto& [id, instance] : instances) {
      if (!instance.usable || instance.status != "UP") continue;
      for (const std::string& vip : instance.vips) {
        auto [place, is_new] = by_name_.try_emplace(vip, services_.size());
        if (is_new) services_.push_back({vip, {}, {}});
        if (place->second < configured_count) continue;
        Service& service = services_[place->second];
        if (service.application.empty() || lower_case(application) == vip)
          service.application = application;
        Endpoint endpoint = make_endpoint(instance);
        bool known = std::any_of(service.endpoints.begin(), service.endpoints.end(),
                                 [&](const Endpoint& e) { return e.id == endpoint.id; });
        if (!known) service.endpoints.push_back(std::move(endpoint));
      }
    }
  }
}

std::size_t Directory::find(std::string_view name) const {
  auto found = by_name_.find(name);
  return found == by_name_.end() ? kMissing : found->second;
}

}  // namespace gw::router
