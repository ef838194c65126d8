// SPDX-License-Identifier: Apache-2.0
//
// A plugin's library, loaded as a gateway loads it.
#pragma once

#include <gateway/plugin.h>

#include <optional>
#include <string>

#include "settings/manifest.h"

namespace gw::check {

// Every failure is thrown as std::runtime_error, in words for the plugin's author.
class Loaded {
 public:
  explicit Loaded(const std::string& file);
  ~Loaded();
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  const gw_plugin& plugin() const { return *plugin_; }
  const settings::Manifest& manifest() const { return *manifest_; }

 private:
  void* handle_ = nullptr;
  const gw_plugin* plugin_ = nullptr;
  std::optional<settings::Manifest> manifest_;
};

// Is the library still there after it was unloaded?
bool is_mapped(const std::string& file);

}  // namespace gw::check
