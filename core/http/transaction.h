// SPDX-License-Identifier: Apache-2.0
//
// The border between the server side of a connection (this room) and who serves its requests
// (pipeline). One Transaction at a time is open on a connection; pipelined requests wait, unread,
// behind it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/arena.h"
#include "http/message.h"
#include "net/loop.h"

namespace gw::http {

class TunnelEnd;

// Who the request came from. As long as the connection.
struct Peer {
  std::string_view address;  // the socket's (or PROXY protocol's) peer: "10.0.0.7", "::1", "unix"
  std::string_view client_address;  // what is believed: from X-Forwarded-For behind trusted
                                    // proxies, else address
  std::string_view scheme;          // "http", or "https" as a trusted proxy said
  std::string_view listener;        // the listener's name
  std::uint32_t listener_index = 0;
};

// What a request's server hears. All calls come on the loop's thread, none inside a call into
// Transaction.
class TransactionSink {
 public:
  virtual ~TransactionSink() = default;
  // Body bytes, valid during the call; `last` exactly once (at once, with no bytes, when there is
  // no body) after read_body() was first called.
  virtual void on_body(std::string_view data, bool last) = 0;
  // Unsent bytes fell below the low-water mark after send_body answered false.
  virtual void on_writable() = 0;
  // The body cannot be read on: malformed (400), too slow (408) or too large (413), and no head was
  // sent. True: the sink answers, with that status, and the connection closes then. False: it is
  // answered for the sink, who hears on_aborted.
  virtual bool on_body_failed(std::uint16_t /*status*/) { return false; }
  // The client left, broke the protocol in its body, or was too slow: the transaction is dead after
  // this call returns.
  virtual void on_aborted() = 0;
};

// The connection under a DetachedStream; alive until one of the last two, or until it said lost().
class StreamSocket {
 public:
  enum class Written { kOk, kFull, kGone };
  virtual Written stream_write(std::string_view data) = 0;
  virtual void stream_end() = 0;
  virtual void stream_dropped() = 0;

 protected:
  ~StreamSocket() = default;
};

// An answer that outlives its exchange: socket and nothing else (parser, buffers and arena are
// given back). A base of its owner, so that it is no memory of its own; destroying it drops it.
class DetachedStream {
 public:
  using Written = StreamSocket::Written;
  DetachedStream() = default;
  DetachedStream(const DetachedStream&) = delete;
  DetachedStream& operator=(const DetachedStream&) = delete;

  // Payload as it shall go out in one HTTP chunk (or raw to an HTTP/1.0 client). All or nothing.
  Written send(std::string_view data) {
    return socket_ == nullptr ? Written::kGone : socket_->stream_write(data);
  }
  // Sends what is left, ends the body and gives the connection back or closes it.
  void end_answer() {
    if (socket_ != nullptr) std::exchange(socket_, nullptr)->stream_end();
  }
  // Closes the connection in the midst of the answer.
  void drop() {
    if (socket_ != nullptr) std::exchange(socket_, nullptr)->stream_dropped();
  }
  bool attached() const { return socket_ != nullptr; }

  // From the connection. What follows lost() is the owner's affair.
  void attached_to(StreamSocket& socket) { socket_ = &socket; }
  void lost(int reason) {
    socket_ = nullptr;
    on_lost(reason);
  }
  virtual void on_writable() = 0;  // after send() said kFull
  virtual void on_drain() = 0;

 protected:
  ~DetachedStream() { drop(); }
  virtual void on_lost(int reason) = 0;  // GW_STREAM_...; may destroy this object

 private:
  StreamSocket* socket_ = nullptr;
};

// One request and the means to answer it. Owned by its connection; dead after finish(), abort(),
// detach(), tunnel(), or on_aborted().
class Transaction {
 public:
  virtual ~Transaction() = default;

  virtual RequestHead& request() = 0;
  virtual base::Arena& arena() = 0;
  virtual net::Loop& loop() = 0;
  virtual const Peer& peer() const = 0;
  virtual std::uint64_t started_ns() const = 0;  // monotonic, when the head was complete
  virtual void set_sink(TransactionSink* sink) = 0;

  // Lets body bytes come (100 Continue is sent first if the client waits for it); pause_body stops
  // them. An answer may be finished with the body unread: the connection then drains a little or
  // closes.
  virtual void read_body() = 0;
  virtual void pause_body() = 0;
  // Bodies above it are refused with 413 before on_body sees the surplus (Content-Length: at once,
  // at read_body's first call; chunked: when passed): TransactionSink::on_body_failed.
  virtual void set_body_limit(std::uint64_t bytes) = 0;
  // The handler answers 413 itself, because of what the head announces: counted and logged as the
  // refusals that are made here.
  virtual void note_body_too_large() = 0;

  // 1xx (not 101).
  virtual void send_informational(const ResponseHead& head) = 0;
  // The head leaves together with the first body bytes or at finish(). Connection, Date, framing
  // fields, Via are written here; `head.framing` says what body follows (adjusted for HEAD, 1xx,
  // 204, 304 and HTTP/1.0).
  virtual void send_head(const ResponseHead& head) = 0;
  // Copies what the socket does not take. False: unsent bytes are above the high-water mark, wait
  // for on_writable.
  virtual bool send_body(std::string_view data) = 0;
  virtual void finish() = 0;
  // The answer cannot be finished as announced: closes the connection so that the client notices.
  virtual void abort() = 0;
  // After send_head with Framing::kChunked: turns the rest into a stream.
  virtual void detach(DetachedStream& stream) = 0;
  // After send_head with 101: the connection leaves HTTP, and what is said on it goes to the
  // service's connection (UpstreamCall::upgrade) and back.
  virtual void tunnel(TunnelEnd& service) = 0;
  virtual bool head_sent() const = 0;  // send_head was called
};

// Serves requests; one per worker. Implemented by the pipeline room.
class TransactionHandler {
 public:
  virtual ~TransactionHandler() = default;
  // A request whose head is whole and acceptable. The handler must call set_sink before it returns
  // (unless it answered whole already).
  virtual void on_request(Transaction& transaction) = 0;
};

}  // namespace gw::http
