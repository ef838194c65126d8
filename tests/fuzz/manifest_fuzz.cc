// SPDX-License-Identifier: Apache-2.0
//
// A plugin's manifest, and its own schema over an empty configuration.
#include "fuzz.h"
#include "settings/manifest.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gw::settings::Complaints complaints;
  const auto manifest =
      gw::settings::parse_manifest(gw::fuzz::text_of(data, size), "x.so manifest", complaints);
  GW_CHECK(manifest.has_value() == complaints.empty());
  if (manifest) GW_CHECK(!manifest->id.empty() && !manifest->version.empty());
  return 0;
}
