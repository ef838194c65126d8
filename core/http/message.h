// SPDX-License-Identifier: Apache-2.0
//
// The heads of messages as the rest of the gateway sees them: views into an exchange's arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/arena.h"

namespace gw::http {

// ASCII case folded comparison of field names.
bool same_letters(const char* a, const char* b, std::size_t size);
inline bool same_name(std::string_view a, std::string_view b) {
  constexpr int kNoCase = ~0x20;  // names differ in their first letter, mostly
  return a.size() == b.size() && (a.empty() || (((a[0] ^ b[0]) & kNoCase) == 0 &&
                                                same_letters(a.data(), b.data(), a.size())));
}
// RFC 9110 5.1 token; RFC 9110 5.5 field value (visible, space, tab, obs-text refused).
bool is_field_name(std::string_view name);
bool is_field_value(std::string_view value);
// As is_field_value, but with bytes from 0x80 on (obs-text), which strangers do send.
bool is_received_value(std::string_view value);
// May it be sent again when nobody knows whether it was done (RFC 9110 9.2.2)?
bool is_idempotent(std::string_view method);
// Fields that frame a message or belong to one connection (RFC 9110 7.6.1): never set by a filter.
bool is_framing_name(std::string_view name);

struct Field {
  std::string_view name;
  std::string_view value;
};

// Fields in order of arrival. Grows in the arena; removing leaves no hole. Bounded by `kMost`.
class FieldList {
 public:
  static constexpr std::uint32_t kMost = 1024;  // 1000 may be configured

  explicit FieldList(base::Arena& arena) : arena_(&arena) {}

  std::uint32_t size() const { return size_; }
  const Field& operator[](std::uint32_t i) const { return fields_[i]; }
  const Field* begin() const { return fields_; }
  const Field* end() const { return fields_ + size_; }

  // The nth value of that name, or null.
  const Field* find(std::string_view name, std::uint32_t nth = 0) const {
    return (lengths_ & length_bit(name)) == 0 ? nullptr : search(name, nth);
  }
  // False when there is no room. The views are taken as they are: copy into the arena first.
  [[nodiscard]] bool add(std::string_view name, std::string_view value) {
    if (size_ == capacity_ && !grow()) return false;
    lengths_ |= length_bit(name);
    fields_[size_++] = Field{name, value};
    return true;
  }
  // Makes room for so many at once, where the arena has it.
  void reserve(std::uint32_t count) { (void)move_to(count); }
  // How many were removed.
  std::uint32_t remove(std::string_view name);
  void clear() { size_ = 0; }
  base::Arena& arena() const { return *arena_; }

 private:
  static std::uint64_t length_bit(std::string_view name) {
    return std::uint64_t{1} << (name.size() % 64);
  }
  const Field* search(std::string_view name, std::uint32_t nth) const;
  bool grow();
  bool move_to(std::uint32_t capacity);

  base::Arena* arena_;
  Field* fields_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
  std::uint64_t lengths_ = 0;  // of the names that are or were here: most of what is sought is not
};

// How a body ends on the wire.
enum class Framing : std::uint8_t {
  kNone,       // no body
  kLength,     // content_length bytes
  kChunked,    // as chunks; to an HTTP/1.0 client: until close
  kUntilClose  // answers only
};

struct RequestHead {
  explicit RequestHead(base::Arena& arena) : fields(arena) {}
  std::string_view method;
  std::string_view path;        // canonical (canonical_path.h)
  std::string_view query;       // without '?'
  bool has_query = false;       // "/a?" keeps its '?'
  std::string_view authority;   // checked Host, or the authority of an absolute-form target
  std::string_view request_id;  // also sent as X-Request-Id; empty when switched off
  std::uint8_t minor = 1;       // HTTP/1.x
  Framing framing = Framing::kNone;
  std::uint64_t content_length = 0;
  bool expects_continue = false;
  bool upgrade_websocket = false;  // a well-formed WebSocket handshake
  FieldList fields;  // end-to-end fields only; Host, framing and hop-by-hop fields are taken out
};

struct ResponseHead {
  explicit ResponseHead(base::Arena& arena) : fields(arena) {}
  std::uint16_t status = 0;
  std::string_view reason;  // empty: the usual one
  Framing framing = Framing::kNone;
  std::uint64_t content_length = 0;
  FieldList fields;  // as in RequestHead
};

}  // namespace gw::http
