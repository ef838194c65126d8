// SPDX-License-Identifier: Apache-2.0
//
// An open stream as StreamHub keeps it: one piece of memory with the user's name behind it. For
// stream_hub.cc, stream_index.cc and stream_handover.cc alone.
#pragma once

#include <cstring>
#include <new>

#include "stream_hub.h"

namespace gw::queue {

struct StreamHub::Stream {
  explicit Stream(std::string_view name) : name_bytes(static_cast<std::uint16_t>(name.size())) {
    std::memcpy(this + 1, name.data(), name.size());
  }
  std::string_view user() const { return {reinterpret_cast<const char*>(this + 1), name_bytes}; }

  static void* operator new(std::size_t size, std::string_view name) {
    return ::operator new(size + name.size());
  }
  static void operator delete(void* memory, std::string_view) { ::operator delete(memory); }
  static void operator delete(void* memory) { ::operator delete(memory); }

  StreamHub* hub = nullptr;
  gw_stream* handle = nullptr;
  Stream* chain = nullptr;            // in the index
  std::uint32_t slot = 0, place = 0;  // where in it
  std::uint32_t last_id = 0;
  std::uint32_t heartbeat_at = 0;  // in slots passed
  std::uint32_t notice = 0;        // the operator's message that it was told; 0: none
  std::uint32_t position = 0;      // told last; 0: none, or something else since
  std::uint16_t name_bytes;        // kMaxUserBytes at most
  bool due = false;                // waits for a look's answer
  bool held = false;               // was told that the store is away
  bool told_absent = false;
  bool quiet = false;  // adopted: its client was told by another hub where it stands
};

}  // namespace gw::queue
