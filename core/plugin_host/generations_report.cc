// SPDX-License-Identifier: Apache-2.0
//
// Generations as an operator sees them.
#include <nlohmann/json.hpp>
#include <utility>

#include "plugin_host/generation.h"

namespace gw::plugin_host {

std::string Generations::describe() const {
  using nlohmann::ordered_json;
  std::vector<std::pair<const Instance*, ordered_json>> instances;
  auto generations = ordered_json::array();
  auto entry = [&instances](const Instance* instance) -> ordered_json& {
    for (auto& [known, shown] : instances)
      if (known == instance) return shown;
    const settings::Manifest& manifest = instance->library().manifest();
    ordered_json shown = {
        {"name", instance->name()},
        {"plugin", manifest.id},
        {"version", manifest.version},
        {"abi", std::to_string(manifest.abi >> 16) + "." + std::to_string(manifest.abi & 0xffff)},
        {"file", instance->library().path().filename().string()},
        {"sha256", instance->library().hash()},
        {"generations", ordered_json::array()}};
    for (const auto& [what, count] : instance->holds()) shown["holds"][what] = count;
    return instances.emplace_back(instance, std::move(shown)).second;
  };
  auto add = [&](const Generation& generation, const char* state) {
    ordered_json names = ordered_json::array();
    for (const auto& instance : generation.blueprint.instances) {
      entry(instance.get())["generations"].push_back(generation.number);
      names.push_back(instance->name());
    }
    generations.push_back({{"number", generation.number},
                           {"state", state},
                           {"instances", std::move(names)},
                           {"workersLeft", generation.workers_left}});
  };
  if (next_ != nullptr) add(*next_, trying() ? "canary" : "starting");
  if (current_ != nullptr) add(*current_, "active");
  for (const auto& old : retiring_) add(*old, "retiring");
  for (const auto& ending : ending_)
    entry(ending->instance.get())["ending"] = ending->leaving ? "stopping" : "held";
  ordered_json all = {{"abi", std::to_string(GW_ABI_MAJOR) + "." + std::to_string(GW_ABI_MINOR)},
                      {"generations", std::move(generations)},
                      {"instances", ordered_json::array()}};
  for (auto& [instance, shown] : instances) all["instances"].push_back(std::move(shown));
  return all.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace gw::plugin_host
