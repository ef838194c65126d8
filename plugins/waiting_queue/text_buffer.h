// SPDX-License-Identifier: Apache-2.0
//
// Text made of pieces in memory of its own on the stack, for what is written thousands of times a second.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gw::queue {

// Holds kMost bytes; what is beyond is cut off.
template <std::size_t kMost>
class TextBuffer {
 public:
  TextBuffer& add(std::string_view text) {
    const std::size_t size = std::min(text.size(), kMost - size_);
    std::memcpy(text_ + size_, text.data(), size);
    size_ += size;
    return *this;
  }
  TextBuffer& add(std::uint64_t number) {
    char digits[20];
    return add({digits, static_cast<std::size_t>(
                            std::to_chars(digits, digits + sizeof digits, number).ptr - digits)});
  }
  std::string_view view() const { return {text_, size_}; }

 private:
  char text_[kMost];
  std::size_t size_ = 0;
};

}  // namespace gw::queue
