// SPDX-License-Identifier: Apache-2.0
//
// What gateway-plugin-check tries with a plugin.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gw::check {

struct Subject {
  std::string file;
  std::string config;  // TOML of [plugin.config]
  std::uint32_t reloads = 100;
  std::string recordings;  // a file; empty: there are none
};

// Runs in a process of its own. Gives a remark for people, or nothing; throws std::runtime_error.
struct Check {
  const char* name;
  const char* what;  // for people
  std::string (*run)(const Subject& subject);
};

// In order; when the first ones fail there is no use in the rest (`vital`).
const std::vector<Check>& all_checks();
constexpr std::size_t kVital = 3;

}  // namespace gw::check
