// SPDX-License-Identifier: Apache-2.0
//
// FileWatch: notices that a configuration or a plugin's file was changed, replaced or put elsewhere
// by a symbolic link. It watches the folders (a file that is replaced takes its own watch along),
// and then compares what the names lead to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "net/loop.h"
#include "server/file_stamps.h"

namespace gw::server {

// On the loop's thread.
class FileWatch {
 public:
  // How long it must be quiet after a change: a build writes a file in many pieces.
  static constexpr std::uint32_t kQuietMs = 500;

  // Calls `changed` once for every time that the files were changed and left alone since.
  static base::Result<std::unique_ptr<FileWatch>> start(net::Loop& loop,
                                                        std::vector<std::filesystem::path> files,
                                                        std::function<void()> changed);
  ~FileWatch();
  const std::vector<std::filesystem::path>& files() const { return files_; }
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

 private:
  FileWatch() = default;
  void something();
  void quiet();

  net::Loop* loop_ = nullptr;
  int inotify_ = -1;
  std::vector<std::filesystem::path> files_;
  FileStamps known_;   // when `changed` was last called
  FileStamps latest_;  // when something was last heard
  std::unique_ptr<net::FdWatch> ready_;
  net::Timer quiet_;
  std::function<void()> changed_;
};

}  // namespace gw::server
