// SPDX-License-Identifier: Apache-2.0
//
// prefetch: brings memory towards the processor while something else is done. With hundreds of
// connections busy, each event finds its objects in no near cache: the kernel's work for the others
// has driven them out. Waiting for one line after the other costs more than most of what is done
// with them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gw::base {

inline constexpr std::size_t kCacheLine = 64;

// Nothing need be there.
inline void prefetch(const void* begin, std::size_t bytes) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  for (std::size_t i = 0; i < bytes; i += kCacheLine)
    __builtin_prefetch(reinterpret_cast<const void*>(at + i));
}

template <class T>
void prefetch(const T& object) {
  prefetch(&object, sizeof object);
}

}  // namespace gw::base
