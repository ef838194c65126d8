// SPDX-License-Identifier: Apache-2.0
//
// gateway.toml: accepted, or refused with a complaint; never both, never neither.
#include "config/gateway_config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gw::config::LoadOptions options;
  options.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "A") return "127.0.0.1:80";
    return std::nullopt;
  };
  options.default_plugin_path = "/plugins";
  options.cores = 2;
  gw::settings::Complaints complaints;
  const auto config = gw::config::load_text(gw::fuzz::text_of(data, size), "gateway.toml", "/none",
                                            options, complaints);
  GW_CHECK((config == nullptr) == !complaints.empty());
  if (config == nullptr) {
    GW_CHECK(!complaints.text().empty());
    return 0;
  }
  GW_CHECK(!config->listeners.empty() && !config->pipelines.empty());
  for (const auto& pipeline : config->pipelines) {
    for (const auto& filter : pipeline.filters) GW_CHECK(config->plugin(filter) != nullptr);
  }
  return 0;
}
