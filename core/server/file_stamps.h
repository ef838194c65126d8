// SPDX-License-Identifier: Apache-2.0
//
// What tells that a file is another one than before, without reading it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <vector>

namespace gw::server {

struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
using FileStamps = std::map<std::filesystem::path, FileStamp>;

// Of what the names lead to now; those that lead nowhere are left out. Any thread.
FileStamps stamps_of(const std::vector<std::filesystem::path>& files);

}  // namespace gw::server
