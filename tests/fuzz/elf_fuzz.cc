// SPDX-License-Identifier: Apache-2.0
//
// A plugin's file before it is loaded.
#include "fuzz.h"
#include "plugin_host/elf_image.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto image = gw::plugin_host::read_elf(gw::fuzz::text_of(data, size));
  if (!image) {
    GW_CHECK(!image.error().empty());
  } else {
    GW_CHECK(image->manifest.size() <= gw::plugin_host::kMaxManifestBytes);
  }
  return 0;
}
