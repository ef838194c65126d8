// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stream.h"

#include <algorithm>
#include <utility>

#include "pipeline/dispatcher.h"
#include "pipeline/exchange.h"
#include "pipeline/tables.h"

using Written = gw::http::DetachedStream::Written;

namespace {
constexpr std::size_t kFramingBytes = 32;  // a chunk's size line and end
}

gw_stream::gw_stream(gw::pipeline::Dispatcher& dispatcher, gw::pipeline::PartUse& use,
                     const gw_stream_events* events, void* owner)
    : dispatcher_(dispatcher), use_(&use), events_(events), owner_(owner) {
  ++use_->streams;
  dispatcher_.metrics_.streams_open.add();
  next_ = std::exchange(dispatcher_.streams_, this);
  if (next_ != nullptr) next_->previous_ = this;
}

// The memory stays for a while, so that a plugin that goes on with the handle is found out.
void gw_stream::retire() {
  if (dispatcher_.next_stream_ == this) dispatcher_.next_stream_ = next_;
  dispatcher_.moves_.skip(this);
  (previous_ == nullptr ? dispatcher_.streams_ : previous_->next_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  dispatcher_.metrics_.streams_open.subtract();
  leave_part();
  drop();
  pending_.reset();
  over_ = true;
  dispatcher_.bury(this);
}

// For calls on a stream that its owner was told of, or told us, is over.
bool gw_stream::over(const char* call) {
  dispatcher_.check_thread(call);
  if (!over_) return false;
  auto* use = const_cast<gw::pipeline::PartUse*>(dispatcher_.running());  // this thread's
  dispatcher_.misused(use, gw::pipeline::kMisuseStream,
                      std::string("calls ") + call + " on a stream that is over");
  return true;
}

void gw_stream::leave_part() {
  if (--use_->streams == 0 && use_->idle() && use_->on_idle != nullptr) use_->on_idle(use_->user);
}

bool gw_stream::move(const gw::pipeline::StreamMove& move, std::string& blob) {
  using Running = gw::pipeline::Dispatcher::Running;
  const gw_sink sink = {sizeof(gw_sink), 0, &blob, [](void* user, gw_str data) -> gw_status {
                          auto& all = *static_cast<std::string*>(user);
                          if (data.len > gw::pipeline::StreamMoves::kMaxBlobBytes - all.size())
                            return GW_LIMIT;
                          all.append(data.ptr, static_cast<std::size_t>(data.len));
                          return GW_OK;
                        }};
  refused_by_ = move.to.use;
  gw_status status;
  {
    const Running running(dispatcher_, move.from.use, "export_stream");
    status = move.from.api->export_stream(move.from.part, owner_, &sink);
  }
  const gw_stream_events* events = nullptr;
  void* owner = nullptr;
  if (status == GW_OK) {
    const Running running(dispatcher_, move.to.use, "adopt_stream");
    status = move.to.api->adopt_stream(move.to.part, this, move.from.api->format,
                                       {blob.data(), blob.size()}, &events, &owner);
  }
  const bool adopted = status == GW_OK && events != nullptr;
  if (adopted) {
    {
      const Running running(dispatcher_, move.from.use, "stream_moved");
      move.from.api->stream_moved(move.from.part, owner_);
    }
    ++move.to.use->streams;
    leave_part();
    use_ = move.to.use;
    events_ = events;
    owner_ = owner;
    refused_by_ = nullptr;
  }
  return adopted;
}

void gw_stream::attach(gw::http::Transaction& transaction) {
  transaction.detach(*this);
  dispatcher_.stream_ready(*use_);
  flow();
}

// There is room: what waits goes first, then an end that waited, then the owner may write again.
void gw_stream::flow() {
  if (!flush_pending()) return;
  if (ended_) {
    end_answer();
    retire();
    return;
  }
  if (!std::exchange(refused_, false) || !GW_HAS(events_, on_writable)) return;
  const gw::pipeline::Dispatcher::Running running(dispatcher_, use_, "on_writable");
  events_->on_writable(owner_);  // may end, and so destroy, this stream
}

// False: not all was taken, or the peer is gone and on_closed follows.
bool gw_stream::flush_pending() {
  if (pending_ == nullptr) return true;
  switch (send(*pending_)) {
    case Written::kOk:
      pending_.reset();
      return true;
    case Written::kFull:
    case Written::kGone:
      break;
  }
  return false;
}

void gw_stream::close(int reason) {
  const gw_stream_events* events = ended_ ? nullptr : events_;
  void* owner = owner_;
  // The owner's part must not count as idle before the owner has heard.
  if (GW_HAS(events, on_closed)) {
    const gw::pipeline::Dispatcher::Running running(dispatcher_, use_, "on_closed");
    over_ = true;
    events->on_closed(owner, reason);
  }
  retire();
}

gw_status gw_stream::write(std::string_view data) {
  if (over("write")) return GW_GONE;
  if (ended_) return GW_WRONG_STATE;
  if (data.empty()) return GW_OK;
  if (!attached()) {
    if (pending_ == nullptr) pending_ = std::make_unique<std::string>();
    // With its framing it must fit into what the socket's side may hold.
    const std::size_t most = dispatcher_.options_.stream_unsent_bytes;
    const std::size_t cap = most - std::min(most, kFramingBytes);
    if (data.size() > cap || pending_->size() > cap - data.size()) {
      refused_ = true;
      return GW_LIMIT;
    }
    pending_->append(data);
    return GW_OK;
  }
  if (pending_ != nullptr) {
    refused_ = true;
    return GW_LIMIT;
  }
  switch (send(data)) {
    case Written::kOk:
      return GW_OK;
    case Written::kFull:
      refused_ = true;
      return GW_LIMIT;
    case Written::kGone:
      break;
  }
  return GW_GONE;
}

void gw_stream::end() {
  if (over("end") || ended_) return;
  if (!attached() || pending_ != nullptr) {
    ended_ = true;  // goes when what was written has gone
    return;
  }
  end_answer();
  retire();
}

void gw_stream::drain() {
  if (ended_ || !GW_HAS(events_, on_drain)) return;
  const gw::pipeline::Dispatcher::Running running(dispatcher_, use_, "on_drain");
  events_->on_drain(owner_);
}

void gw_stream::stop() {
  if (attached()) end_answer();
  close(GW_STREAM_SERVER_STOP);
}

namespace gw::pipeline {

namespace {

gw_status begin(gw_exchange* exchange, std::uint32_t status, const gw_header* headers,
                std::uint32_t header_count, const gw_stream_events* events, void* owner,
                gw_stream** out) {
  auto& self = *static_cast<gw::pipeline::Exchange*>(exchange);
  if (!self.live("begin")) return GW_GONE;
  return self.begin_stream(status, headers, header_count, events, owner, out);
}

gw_status write(gw_stream* stream, gw_str data) {
  return stream->write({data.ptr, static_cast<std::size_t>(data.len)});
}

void end(gw_stream* stream) {
  stream->end();
}

}  // namespace

const gw_stream_api* stream_api() {
  static const gw_stream_api table = {sizeof(gw_stream_api), begin, write, end};
  return &table;
}

}  // namespace gw::pipeline
