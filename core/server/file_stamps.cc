// SPDX-License-Identifier: Apache-2.0
#include "server/file_stamps.h"

#include <sys/stat.h>

namespace gw::server {

FileStamps stamps_of(const std::vector<std::filesystem::path>& files) {
  FileStamps all;
  for (const std::filesystem::path& file : files) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) continue;
    all[file] = {
        info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size),
        static_cast<std::int64_t>(info.st_ctim.tv_sec) * 1'000'000'000 + info.st_ctim.tv_nsec};
  }
  return all;
}

}  // namespace gw::server
