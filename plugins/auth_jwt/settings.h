// SPDX-License-Identifier: Apache-2.0
//
// The plugin's configuration as plain values, with what it means checked. The manifest in plugin.cc
// holds the schema that the host checks before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <gateway/plugin.hpp>
#include <memory>
#include <string>

#include "key_set.h"
#include "refresh.h"
#include "rules.h"
#include "verifier.h"

namespace gw::auth {

inline constexpr std::size_t kMaxHeaderNameSize = 64;

struct Settings {
  TokenPolicy policy;
  Rules rules;
  std::string user_id_header;
  std::string user_type_header;

  std::string jwks_uri;   // at most one of these two is set
  std::string jwks_file;  // absolute
  RefreshTimes refresh;
  std::uint32_t fetch_timeout_ms = 0;
  std::uint32_t key_cool_down_ms = 0;
  std::uint32_t key_wait_ms = 0;
  std::size_t max_waiting = 0;  // requests that wait for a fetch, per worker
  std::shared_ptr<const Key> secret;

  std::size_t cache_entries = 0;  // per worker
  std::size_t cache_bytes = 0;    // per worker

  bool development_issuer = false;
  std::string development_key;  // absolute path

  // Are keys read from somewhere again and again?
  bool has_source() const { return !jwks_uri.empty() || !jwks_file.empty(); }
};

// [main] Complains about every mistake, then throws ConfigError. Reads the secret's file; writes
// nothing.
Settings read_settings(const Context& context, const Config& config);

}  // namespace gw::auth
