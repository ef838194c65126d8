// SPDX-License-Identifier: Apache-2.0
//
// Streams: answers that outlive their exchange. One is begun inside a callback, collects what is
// written until the head has left, and then is this small struct and a socket.
#pragma once

#include <gateway/abi/stream.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/transaction.h"
#include "pipeline/chain.h"
#include "pipeline/stream_moves.h"

namespace gw::pipeline {
class Dispatcher;
}

// The ABI's handle. Made by `begin_stream`; when it is over it gives itself to the dispatcher. Its
// worker's thread.
struct gw_stream final : private gw::http::DetachedStream {
  gw_stream(gw::pipeline::Dispatcher& dispatcher, gw::pipeline::PartUse& use,
            const gw_stream_events* events, void* owner);

  // The head has left: what was written follows.
  void attach(gw::http::Transaction& transaction);
  // Over by no doing of its owner, who hears why unless it has ended the stream itself.
  void close(int reason);

  gw_status write(std::string_view data);
  void end();
  void drain();
  // Ends it from the gateway's side.
  void stop();

  gw::pipeline::Dispatcher& dispatcher() const { return dispatcher_; }
  const gw::pipeline::PartUse* use() const { return use_; }
  gw_stream* next() const { return next_; }

  // Hand-over (stream_moves.h): is there a socket to hand over, and was that part not asked yet?
  bool may_move_to(const gw::pipeline::PartUse* to) const {
    return attached() && !ended_ && refused_by_ != to;
  }
  // False: it stays where it is. `blob` is empty, for this call's use.
  bool move(const gw::pipeline::StreamMove& move, std::string& blob);

 private:
  void on_lost(int reason) override { close(reason); }
  void on_writable() override { flow(); }
  void on_drain() override { drain(); }

  friend class gw::pipeline::Dispatcher;  // deletes
  ~gw_stream() = default;
  void retire();
  bool over(const char* call);
  void leave_part();
  bool flush_pending();
  void flow();

  gw::pipeline::Dispatcher& dispatcher_;
  gw::pipeline::PartUse* use_;
  const gw_stream_events* events_;
  void* owner_;
  std::unique_ptr<std::string> pending_;  // written, but not yet taken by the socket
  gw_stream* next_ = nullptr;             // in the dispatcher's list
  gw_stream* previous_ = nullptr;
  const gw::pipeline::PartUse* refused_by_ = nullptr;  // only to be compared
  bool over_ = false;
  bool ended_ = false;    // by its owner, before the socket could take it
  bool refused_ = false;  // a write gave GW_LIMIT: on_writable is owed
};
