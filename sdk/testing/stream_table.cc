// SPDX-License-Identifier: Apache-2.0
//
// "gw.stream/1". Writes go to the client's end of the exchange, or pile up while it is blocked.
#include <cstdint>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {

Stream* open_stream(gw_stream* raw, const char* call) {
  auto* stream = reinterpret_cast<Stream*>(raw);
  if (!stream->alive) {
    stream->host->breach(std::string(call) + ": the stream is over");
    return nullptr;
  }
  return stream->host->on_worker(stream->owner_part, call) ? stream : nullptr;
}

gw_status begin(gw_exchange* raw, std::uint32_t status, const gw_header* headers,
                std::uint32_t count, const gw_stream_events* events, void* owner, gw_stream** out) {
  auto* handle = reinterpret_cast<Handle*>(raw);
  if (!handle->alive) {
    handle->host->breach("stream.begin: the exchange is over for this filter");
    return GW_GONE;
  }
  auto& x = *handle->exchange;
  if (!x.host->on_worker(handle->stage->part, "stream.begin")) return GW_WRONG_STATE;
  if (!GW_HAS(events, on_closed)) return GW_INVALID;
  gw_status taken = x.take_answer(*handle, status, headers, count, "stream.begin");
  if (taken != GW_OK) return taken;
  Stream& stream = x.host->streams.emplace_back();
  stream.host = x.host;
  stream.exchange = &x;
  stream.owner_part = handle->stage->part;
  stream.events = events;
  stream.owner = owner;
  x.new_stream = &stream;
  *out = reinterpret_cast<gw_stream*>(&stream);
  return GW_OK;
}

gw_status write(gw_stream* raw, gw_str data) {
  Stream* stream = open_stream(raw, "stream.write");
  if (stream == nullptr) return GW_GONE;
  if (stream->unsent.size() + data.len > stream->host->stream_cap) {
    if (!std::exchange(stream->wants_room, true)) stream->host->full_streams.push_back(stream);
    return GW_LIMIT;
  }
  if (stream->exchange->blocked)
    stream->unsent += to_view(data);
  else
    stream->exchange->sent_body += to_view(data);
  return GW_OK;
}

void end(gw_stream* raw) {
  Stream* stream = open_stream(raw, "stream.end");
  if (stream == nullptr) return;
  stream->alive = false;
  stream->exchange->stream_ended = true;
  stream->exchange->unsent_after_end = std::move(stream->unsent);
  stream->exchange->stream = nullptr;
}

}  // namespace

// The stream is over by no doing of its owner.
void close_stream(Stream& stream, std::int32_t reason) {
  if (!stream.alive) return;
  stream.alive = false;
  if (stream.exchange->stream == &stream) stream.exchange->stream = nullptr;
  InCallback in(*stream.host, stream.owner_part);
  stream.events->on_closed(stream.owner, reason);
}

const gw_stream_api kStreamTable = {sizeof(gw_stream_api), begin, write, end};

}  // namespace gw::testing
