// SPDX-License-Identifier: Apache-2.0
//
// Tokens that were verified lately, so that a client's next request costs a look-up and no
// signature. Only verified tokens get in, so a stranger can neither fill it nor choose what it
// evicts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "verifier.h"

namespace gw::auth {

// Least recently used goes first. For one thread. A hit allocates nothing.
class TokenCache {
 public:
  // At most `max_entries` tokens (0: nothing is kept) and about `max_bytes` of memory. `seed` is
  // secret: it makes the places of tokens unpredictable.
  TokenCache(std::size_t max_entries, std::size_t max_bytes, std::uint64_t seed);
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  // The verified token with exactly this text, valid at `now_ms`; else null. Good until the next
  // call that is not `find`.
  const VerifiedToken* find(std::string_view token, std::int64_t now_ms);
  void insert(std::string_view token, VerifiedToken verified);
  // Drops what was verified with a key that `keys` lacks.
  void keep_only(const KeySet& keys);

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string text;
    VerifiedToken verified;
  };
  // Hashes a token's end, which is its signature and as good as random; the seed keeps it private.
  struct Hash {
    std::uint64_t seed;
    std::size_t operator()(std::string_view token) const;
  };
  using Entries = std::list<Entry>;

  static std::size_t cost(const Entry& entry);
  void drop(Entries::iterator entry);

  std::size_t max_entries_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  Entries entries_;  // most recently used first
  std::unordered_map<std::string_view, Entries::iterator, Hash> index_;
};

}  // namespace gw::auth
