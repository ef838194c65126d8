// SPDX-License-Identifier: Apache-2.0
//
// StreamHub: its streams from one build of this plugin to the next (handover.cc).
#include <algorithm>

#include "blob.h"
#include "stream_record.h"

namespace gw::queue {

// Times are written down as what is left of them, so that nobody is asked for later, or more often,
// than without the hand-over.
void StreamHub::export_stream(const void* owner, std::string& blob) const {
  const auto& stream = *static_cast<const Stream*>(owner);
  const std::uint64_t count = slots_.size();
  std::uint64_t turns = (stream.slot + count - wheel_ % count) % count;
  while (!tells_at(wheel_ + turns)) turns += count;
  BlobWriter out(blob);
  out.text(stream.user());
  out.number(stream.last_id);
  out.number(turns * kSlotMs);
  out.number((stream.heartbeat_at - std::min<std::uint64_t>(stream.heartbeat_at, wheel_)) *
             kSlotMs);
  out.byte(static_cast<std::uint8_t>((stream.held ? 1 : 0) | (stream.told_absent ? 2 : 0) |
                                     (stream.notice != 0 ? 4 : 0)));
  if (stream.notice != 0) out.number(stream.notice);
}

gw_status StreamHub::adopt(gw_stream* handle, BlobReader& blob, const gw_stream_events*& events,
                           void*& owner) {
  const std::string_view user = blob.text();
  if (user.size() > kMaxUserBytes) return GW_INVALID;
  std::unique_ptr<Stream> stream(new (user) Stream(user));
  stream->handle = handle;
  stream->last_id = static_cast<std::uint32_t>(blob.number());
  const std::uint64_t next_slots = blob.number() / kSlotMs,
                      heartbeat_slots = blob.number() / kSlotMs;
  const std::uint8_t flags = blob.byte();
  if ((flags & 4) != 0) stream->notice = static_cast<std::uint32_t>(blob.number());
  if (!blob.whole()) return GW_INVALID;
  if (room_for(user) != Opened::kYes) return GW_LIMIT;
  stream->held = (flags & 1) != 0;
  stream->told_absent = (flags & 2) != 0;
  stream->quiet = (flags & 3) == 0;
  start_wheel();
  stream->heartbeat_at = static_cast<std::uint32_t>(
      wheel_ + std::min<std::uint64_t>(heartbeat_slots, settings_.heartbeat_ms / kSlotMs));
  const std::uint64_t count = slots_.size();
  Stream* added = add(std::move(stream));
  std::uint64_t next = wheel_ + std::min(next_slots, count * tell_every_);
  while (next > wheel_ && !tells_at(next)) --next;
  place(*added, static_cast<std::uint32_t>(next % count));
  events = &kEvents;
  owner = added;
  return GW_OK;
}

void StreamHub::forget(void* owner) {
  unlink(static_cast<Stream*>(owner));
}

}  // namespace gw::queue
