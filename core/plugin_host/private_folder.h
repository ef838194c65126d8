// SPDX-License-Identifier: Apache-2.0
//
// Where the gateway keeps its own copies of plugins while they are loaded: a folder that only its
// user can enter (mode 0700), on a file system that lets code be mapped, removed at exit.
//
// A folder is locked for as long as its process lives: what a process that was killed left behind is
// removed by the next one.
//
// Why copies at all: glibc takes a library for loaded already when the path, or device and inode,
// are the same, so a plugin that was rebuilt in place would never be seen; and a file that is
// mapped must not be overwritten by the next build.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace gw::plugin_host {

// One thread.
class PrivateFolder {
 public:
  PrivateFolder() = default;
  // Removes the folder and what is in it.
  ~PrivateFolder();
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

  // Makes the folder now; nothing when there is one.
  base::Status make();
  // Uses (and in the end removes) one that another process made for this one.
  void adopt(std::filesystem::path path) { path_ = std::move(path); }

  // Writes a file of that name, replacing the name (never the content) of an older one. The folder
  // is made at the first call, in $XDG_RUNTIME_DIR or a temporary folder.
  base::Result<std::filesystem::path> put(const std::string& name, std::string_view bytes);
  void remove(const std::string& name);
  const std::filesystem::path& path() const { return path_; }  // empty before the first put

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

// Any thread. Does this process have `file` mapped?
bool is_mapped(const std::filesystem::path& file);

}  // namespace gw::plugin_host
