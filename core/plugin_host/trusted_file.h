// SPDX-License-Identifier: Apache-2.0
//
// Files that become code of this process. One is read only when nobody but root and the gateway's
// own user could have put it there: the file, every folder and every symbolic link on its way
// belong to one of the two and are not writable by others (sticky folders such as /tmp pass: in
// them, nobody can replace what another owns).
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace gw::plugin_host {

constexpr std::size_t kMaxLibraryBytes = std::size_t{256} << 20;

struct TrustedFile {
  std::filesystem::path path;  // absolute, links resolved
  std::string bytes;           // as they were when the checks were made
  std::string hash;            // SHA-256, hexadecimal
};

// Any thread. The error names the file or folder and what is wrong with it.
base::Result<TrustedFile> read_trusted(const std::filesystem::path& path);

}  // namespace gw::plugin_host
