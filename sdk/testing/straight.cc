// SPDX-License-Identifier: Apache-2.0
//
// Written against the plain tables: a test has a plugin, and its gw_plugin_entry, of its own.
#include "testing/straight.h"

#include <string_view>

namespace gw::testing {

namespace {

constexpr std::string_view kAddress = "127.0.0.1:8081";

gw_status create(gw_context*, const gw_config*, void** instance) {
  *instance = nullptr;
  return GW_OK;
}
void destroy(void*) {}
gw_status create_part(void*, gw_worker*, void** part) {
  *part = nullptr;
  return GW_OK;
}
void destroy_part(void*) {}

gw_verdict choose(void*, gw_exchange*, void**, const gw_attempt* previous, gw_endpoint* out) {
  // After a failure there is no other endpoint: without an address the exchange fails.
  if (previous == nullptr) out->address = {kAddress.data(), kAddress.size()};
  return GW_CONTINUE;
}

constexpr gw_instance_api kInstance = {
    sizeof(gw_instance_api), create, destroy, create_part, destroy_part, nullptr, nullptr};
constexpr gw_router_api kRouter = {sizeof(gw_router_api), choose, nullptr, nullptr, nullptr};

const void* get_interface(const char* id) {
  if (id == std::string_view(GW_INSTANCE_ID)) return &kInstance;
  return id == std::string_view(GW_ROUTER_ID) ? &kRouter : nullptr;
}

constexpr char kManifest[] = R"(
id = "straight"
version = "1.0.0"
licence = "Apache-2.0"
abi = "1.0"
summary = "Sends everything to one place"
requires = []
provides = ["gw.instance/1", "gw.router/1"]
)";

}  // namespace

const gw_plugin& straight_router() {
  static const gw_plugin plugin = {
      sizeof(gw_plugin), GW_ABI,       kManifest, [](const gw_host*) -> gw_status { return GW_OK; },
      nullptr,           get_interface};
  return plugin;
}

}  // namespace gw::testing
