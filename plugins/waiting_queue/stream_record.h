// SPDX-License-Identifier: Apache-2.0
//
// An open stream as StreamHub keeps it. For stream_hub.cc and stream_handover.cc alone.
#pragma once

#include "stream_hub.h"

namespace gw::queue {

struct StreamHub::Stream {
  StreamHub* hub;
  gw_stream* handle;
  Users::value_type* user;
  Stream* sibling;         // next stream of the same user
  Stream *before, *after;  // in the slot
  std::uint32_t slot;
  std::uint32_t last_id;
  std::uint64_t heartbeat_at;  // in slots passed
  std::uint32_t notice;        // the operator's message that it was told; 0: none
  bool due;                    // waits for a look's answer
  bool held;                   // was told that the store is away
  bool told_absent;
  bool quiet;  // adopted: its client was told by another hub where it stands
};

}  // namespace gw::queue
