// SPDX-License-Identifier: Apache-2.0
//
// Manifest: what a plugin says about itself in the text of GW_PLUGIN_MANIFEST (gateway/plugin.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "settings/complaints.h"
#include "settings/schema.h"

namespace gw::settings {

struct Manifest {
  std::string id;         // [a-z][a-z0-9_]*
  std::string version;    // semver 2.0.0
  std::uint32_t abi = 0;  // as GW_ABI: major << 16 | minor
  std::string licence;
  std::string summary;
  bool pinned = false;
  std::vector<std::string> required;  // host tables, "gw.timer/1"
  std::vector<std::string> optional;
  std::vector<std::string> provided;  // the plugin's own tables
  struct Attributes {                 // of the exchange
    std::vector<std::string> provides;
    std::vector<std::string> consumes;
    std::vector<std::string> uses;
  } attributes;
  Schema config;

  bool provides(std::string_view table) const;
};

inline constexpr std::size_t kMaxManifestBytes = std::size_t{256} << 10;

// Nothing after complaints. `name` stands for the file in complaints ("auth_jwt.so manifest"). Says
// nothing about whether this host has the tables and the ABI that are asked for.
std::optional<Manifest> parse_manifest(std::string_view text, const std::string& name,
                                       Complaints& complaints);

}  // namespace gw::settings
