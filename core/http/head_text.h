// SPDX-License-Identifier: Apache-2.0
//
// HeadText: the head of a message in one piece, in an arena, while it comes in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/arena.h"

namespace gw::http {

struct HeadText {
  char* data = nullptr;
  std::uint32_t size = 0;
  std::uint32_t capacity = 0;

  std::string_view view() const { return {data, size}; }

  // `grows`: more will follow. False: the arena is full.
  [[nodiscard]] bool add(base::Arena& arena, std::string_view more, bool grows) {
    const std::size_t needed = size + more.size();
    if (needed > capacity) {
      constexpr std::size_t kFirst = 128;
      const std::size_t room = grows ? std::max(kFirst, needed * 2) : needed;
      auto* memory = static_cast<char*>(arena.try_allocate(room));
      if (memory == nullptr) return false;
      if (size > 0) std::memcpy(memory, data, size);
      data = memory;
      capacity = static_cast<std::uint32_t>(room);
    }
    // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): where more fits, there is memory
    if (!more.empty()) std::memcpy(data + size, more.data(), more.size());
    size = static_cast<std::uint32_t>(needed);
    return true;
  }
};

}  // namespace gw::http
