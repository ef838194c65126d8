// SPDX-License-Identifier: Apache-2.0
//
// The few things that the plugin does with files: small, bounded, with an eye on permissions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gw::auth {

struct FileText {
  std::string text;
  std::string error;  // empty: read whole
};

// A file of at most `max_size` bytes.
FileText read_file(const std::string& path, std::size_t max_size);
// The same, refused unless it is a regular file that only its owner, this process's user or root,
// can read or write.
FileText read_private_file(const std::string& path, std::size_t max_size);

// Puts a file of mode 0600 at `path`, whole or not at all, making missing folders. A file
// that is there already is left as it is, and that is success. Returns the error; empty: none.
std::string create_private_file(const std::string& path, std::string_view text);

}  // namespace gw::auth
