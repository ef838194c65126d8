// SPDX-License-Identifier: Apache-2.0
//
// Texts put one behind the other. They are short, mostly: a call would cost more than the copy.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace gw::base {

template <std::size_t kPart>
void copy_both_ends(char* to, std::string_view text) {  // they may overlap
  std::memcpy(to, text.data(), kPart);
  std::memcpy(to + text.size() - kPart, text.data() + text.size() - kPart, kPart);
}

// Copies to where there is room; returns what is behind it.
inline char* append(char* to, std::string_view text) {
  const std::size_t size = text.size();
  const char* from = text.data();
  if (size >= 16) {
    if (size > 64) return static_cast<char*>(mempcpy(to, from, size));
    if (size > 32) {
      copy_both_ends<32>(to, text);
    } else {
      copy_both_ends<16>(to, text);
    }
  } else if (size >= 8) {
    copy_both_ends<8>(to, text);
  } else if (size >= 4) {
    copy_both_ends<4>(to, text);
  } else if (size > 0) {
    to[0] = from[0];
    to[size / 2] = from[size / 2];
    to[size - 1] = from[size - 1];
  }
  return to + size;
}

}  // namespace gw::base
