// SPDX-License-Identifier: Apache-2.0
//
// A plugin's shared library, from file to running code and back.
//
//   inspect  reads and checks file and manifest; nothing of the plugin runs
//   open     loads a private copy (private_folder.h), compares what it says of itself with the
//            manifest, and calls its init
//   ~Library calls its finish, unloads it and looks whether it is really gone; code under which
//            threads of the plugin's own still run stays where it is
//
// A library is loaded once per content: the same unchanged file named twice, or again by the next
// generation, is one Library. The private dependencies that a plugin brings ($ORIGIN in its run
// path and a file beside it) are copied along, under their own names, because the copy's $ORIGIN is
// the private folder. glibc knows such a companion by its name alone, so that a changed one cannot
// be loaded while the old one is in use: this is refused, and needs a restart, also when the plugin's
// own file is still the same.
#pragma once

#include <gateway/plugin.h>

#include <boost/dll/shared_library.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/thread_tally.h"
#include "plugin_host/elf_image.h"
#include "plugin_host/private_folder.h"
#include "plugin_host/trusted_file.h"
#include "settings/manifest.h"

namespace gw::plugin_host {

// What is known of a plugin's file before it is loaded.
struct Inspection {
  TrustedFile file;
  ElfImage image;
  settings::Manifest manifest;
};

// Any thread. Errors begin with the file's name.
base::Result<Inspection> inspect(const std::filesystem::path& path);

// What all libraries of a process share. One thread ([main] of the ABI), as are the two classes
// below.
struct LoaderState {
  base::Log log;
  PrivateFolder folder;
  std::map<std::string, std::string> companions;  // name -> hash of what lies in the folder
  std::size_t stuck = 0;                          // unloaded, and yet still mapped
};

class Library {
 public:
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const settings::Manifest& manifest() const { return manifest_; }
  const std::string& hash() const { return hash_; }
  const std::filesystem::path& path() const { return path_; }  // of the original
  base::ThreadTally& threads() const { return *threads_; }     // that its code has started
  // The plugin's table of that id, or null.
  template <class Table>
  const Table* interface(const char* id) const {
    return static_cast<const Table*>(entry_->get_interface(id));
  }

 private:
  friend class Libraries;
  Library() = default;
  void keep_mapped();

  std::shared_ptr<LoaderState> state_;
  settings::Manifest manifest_;
  std::string hash_;
  std::filesystem::path path_;
  std::filesystem::path copy_;
  std::shared_ptr<base::ThreadTally> threads_;
  std::unique_ptr<boost::dll::shared_library> handle_;
  const gw_plugin* entry_ = nullptr;
  bool ready_ = false;  // init succeeded
};

class Libraries {
 public:
  // Unloaded copies that stayed mapped, above which nothing more is loaded.
  static constexpr std::size_t kMaxStuck = 32;

  // `host` is what plugins get; it must outlive every Library.
  Libraries(base::Log log, const gw_host& host);

  // For copies, instead of one of its own making (private_folder.h).
  void use_folder(std::filesystem::path path) { state_->folder.adopt(std::move(path)); }
  // The error begins with the file's name.
  base::Result<std::shared_ptr<Library>> open(const std::filesystem::path& path);
  // How many libraries were unloaded and are mapped all the same.
  std::size_t stuck() const { return state_->stuck; }

 private:
  base::Status check_requirements(const settings::Manifest& manifest) const;
  base::Status take_companions(const Inspection& inspection);
  base::Status load(const Inspection& inspection, Library& library);

  const gw_host& host_;
  std::shared_ptr<LoaderState> state_;
  std::map<std::string, std::weak_ptr<Library>> loaded_;  // by hash
  std::vector<std::shared_ptr<Library>> pinned_;          // never unloaded
};

}  // namespace gw::plugin_host
