// SPDX-License-Identifier: Apache-2.0
//
// What a Eureka server answers: a full registry, then a delta, separated by a line "---".
#include <string>

#include "eureka_protocol.h"
#include "fuzz.h"
#include "registry.h"

namespace {

void check_bounds(const gw::router::Registry& registry) {
  std::size_t count = 0;
  for (const auto& [name, instances] : registry.applications()) count += instances.size();
  GW_CHECK(count == registry.instance_count() && count <= gw::router::Registry::kMostInstances);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view kBetween = "\n---\n";
  const std::string_view text = gw::fuzz::text_of(data, size);
  const std::size_t at = text.find(kBetween);
  gw::router::Registry registry;
  std::string error;
  const bool whole = registry.replace(text.substr(0, at), error);
  GW_CHECK(whole == error.empty());
  GW_CHECK(whole || registry.applications().empty());
  check_bounds(registry);
  if (at != std::string_view::npos) {
    const auto before = registry.applications();
    error.clear();
    const auto delta = registry.apply_delta(text.substr(at + kBetween.size()), error);
    GW_CHECK(delta != gw::router::Registry::Delta::kInvalid || registry.applications() == before);
    check_bounds(registry);
  }
  (void)gw::router::dirty_timestamp_of(text);
  return 0;
}
