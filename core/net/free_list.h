// SPDX-License-Identifier: Apache-2.0
//
// FreeList: memory for objects of one type that come and go with requests, so that a steady load
// allocates nothing. Under sanitizers nothing is kept, so that a use after the end is found.
#pragma once

#include <cstddef>
#include <new>
#include <utility>
#include <vector>

#include "base/prefetch.h"

namespace gw::net {

// One thread.
template <class T>
class FreeList {
 public:
  explicit FreeList(std::size_t keep) : keep_(kKeep ? keep : 0) { unused_.reserve(keep_); }
  ~FreeList() {
    for (void* memory : unused_) ::operator delete(memory);
  }
  FreeList(const FreeList&) = delete;
  FreeList& operator=(const FreeList&) = delete;

  template <class... Arguments>
  T* make(Arguments&&... arguments) {
    void* memory = nullptr;
    if (unused_.empty()) {
      memory = ::operator new(sizeof(T));
    } else {
      memory = unused_.back();
      unused_.pop_back();
      if (!unused_.empty()) base::prefetch(unused_.back(), sizeof(T));  // for who comes next
    }
    return new (memory) T(std::forward<Arguments>(arguments)...);
  }
  void destroy(T* object) {
    object->~T();
    if (unused_.size() < keep_) {
      unused_.push_back(object);
    } else {
      ::operator delete(object);
    }
  }

 private:
#ifdef GW_SANITIZED
  static constexpr bool kKeep = false;
#else
  static constexpr bool kKeep = true;
#endif
  std::size_t keep_;
  std::vector<void*> unused_;
};

}  // namespace gw::net
