// SPDX-License-Identifier: Apache-2.0
//
// What can be read of a plugin's file without loading it: the manifest (the ELF note "gateway" of
// gateway/plugin.h) and the libraries that it asks for. The bytes are foreign: every offset and
// size is checked against the file, every loop and text is bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gw::plugin_host {

struct ElfImage {
  std::string manifest;
  std::vector<std::string> needed;  // DT_NEEDED, in order
  bool origin = false;              // looks for them beside itself ($ORIGIN in its run path)
};

constexpr std::size_t kMaxManifestBytes = 256 * 1024;

// Any thread. `bytes`: the whole file. Fails for what is not a 64-bit shared library of this
// machine. An image without the note has an empty manifest.
base::Result<ElfImage> read_elf(std::string_view bytes);

}  // namespace gw::plugin_host
