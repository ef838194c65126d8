// SPDX-License-Identifier: Apache-2.0
#include "token_cache.h"

#include <algorithm>
#include <functional>
#include <iterator>

namespace gw::auth {

std::size_t TokenCache::Hash::operator()(std::string_view token) const {
  constexpr std::size_t kTail = 32;
  std::string_view tail = token.substr(token.size() - std::min(token.size(), kTail));
  std::uint64_t mixed = (std::hash<std::string_view>()(tail) ^ seed) * 0x9e3779b97f4a7c15ULL;
  return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}

TokenCache::TokenCache(std::size_t max_entries, std::size_t max_bytes, std::uint64_t seed)
    : max_entries_(max_entries), max_bytes_(max_bytes), index_(0, Hash{seed}) {}

std::size_t TokenCache::cost(const Entry& entry) {
  constexpr std::size_t kNodes = 96;  // list node, index node and bucket
  return kNodes + sizeof(Entry) + entry.text.capacity() + entry.verified.subject().capacity() +
         entry.verified.type().capacity();
}

void TokenCache::drop(Entries::iterator entry) {
  bytes_ -= cost(*entry);
  index_.erase(entry->text);
  entries_.erase(entry);
}

const VerifiedToken* TokenCache::find(std::string_view token, std::int64_t now_ms) {
  auto found = index_.find(token);
  if (found == index_.end()) return nullptr;
  Entries::iterator entry = found->second;
  if (now_ms >= entry->verified.expires_ms()) {
    drop(entry);
    return nullptr;
  }
  if (now_ms < entry->verified.not_before_ms()) return nullptr;
  entries_.splice(entries_.begin(), entries_, entry);
  return &entry->verified;
}

void TokenCache::insert(std::string_view token, VerifiedToken verified) {
  if (max_entries_ == 0) return;
  if (auto found = index_.find(token); found != index_.end()) drop(found->second);
  entries_.push_front({std::string(token), std::move(verified)});
  index_.emplace(entries_.front().text, entries_.begin());
  bytes_ += cost(entries_.front());
  while (entries_.size() > max_entries_ || (bytes_ > max_bytes_ && !entries_.empty()))
    drop(std::prev(entries_.end()));
}

void TokenCache::keep_only(const KeySet& keys) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    auto current = entry++;
    if (!keys.holds(current->verified.key())) drop(current);
  }
}

}  // namespace gw::auth
