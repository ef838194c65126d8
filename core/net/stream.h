// SPDX-License-Identifier: Apache-2.0
//
// Stream: a connected TCP or Unix socket on a loop, made to cost little. Reads go into the loop's
// one read buffer. Writes gather in the loop's one write buffer, and what one stream wrote leaves in
// one system call: at the end of the turn, at flush(), or when much has gathered. That all streams
// write at the turn's end wakes a peer once for many messages (docs/decisions/0008-sockets.md). What
// the socket does not take waits in the stream's own queue, in chunks of the loop's pool.
//
// libuv tells only that a socket is ready; its own streams would cost 90 bytes a connection more,
// and a dearer system call for each read.
//
// It is embedded in its owner's object, which must live until on_closed. No member function calls
// the owner back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/address.h"
#include "net/loop.h"

namespace gw::net {

// What a stream's owner hears, on the loop's thread.
class StreamEvents {
 public:
  virtual void on_connected(int /*error*/) {}  // 0, or a negative errno (then only close() is left)
  // Valid during the call; the owner may change the bytes. Nothing comes after close().
  virtual void on_data(char* data, std::size_t size) = 0;
  virtual void on_end() = 0;      // the peer sends no more; writing may still work
  virtual void on_broken() = 0;   // reset, or a write failed; only close() is left
  virtual void on_drained() = 0;  // the queue fell below kLowWater after write() said false
  // The socket took less than it was given: bytes wait in the queue. The one event that comes
  // inside a call of the owner's (write, flush): start a timer, do nothing else.
  virtual void on_queued() {}
  virtual void on_closed() = 0;  // last of all: the memory may go

 protected:
  ~StreamEvents() = default;
};

class Stream {
 public:
  static constexpr std::size_t kHighWater = 64 * 1024;
  static constexpr std::size_t kLowWater = 16 * 1024;

  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Takes over a connected socket that does not block; on_broken follows when the system does not
  // let us.
  void adopt(Loop& loop, int fd, StreamEvents& events);
  // on_connected follows.
  void connect(Loop& loop, const Address& address, StreamEvents& events);
  void connect_unix(Loop& loop, const char* path, StreamEvents& events);

  void start_reading();
  void stop_reading();
  bool reading() const { return reading_; }
  // Of a broken stream, in on_broken: what the peer sent before and nobody has read. on_data for
  // each piece, until nothing is left, the owner stops reading, or closes.
  void read_rest();

  // Copies what it must. False: more than kHighWater bytes wait, on_drained will follow.
  bool write(std::string_view data);
  void flush();
  // Has nothing come that was not read yet, neither a byte nor an end? A system call.
  bool silent() const;
  // Bytes that the socket has not taken yet.
  std::size_t unsent() const { return queued() + gathered_; }
  bool blocked() const { return queued() > 0; }
  // on_drained will follow; call it while blocked().
  void tell_when_drained() { above_high_water_ = true; }
  // For how long has the peer taken nothing of what waits for it? 0 when nothing waits. What it takes
  // of what the system holds for it is seen only here: ask at least as often as it may be patient.
  // A system call while blocked().
  std::uint32_t stalled_ms();
  // Bytes that have left and that the peer has not taken: not acknowledged, or on a Unix socket not
  // read. A system call.
  std::uint32_t held_by_system() const;
  bool broken() const { return broken_; }
  // Did the socket take anything (or may it have) since forget_sent()?
  bool sent_any() const { return sent_any_; }
  void forget_sent() { sent_any_ = false; }

  // Sends FIN after what was written.
  void end_output();
  // Drops what is unsent (flush() first what the peer shall have). `reset`: the peer is to see an
  // error, not an end. on_closed follows.
  void close(bool reset = false);
  bool open() const { return state_ == State::kOpen || state_ == State::kConnecting; }
  Loop& loop() const { return *loop_; }

  static void end_of_turn(LoopImpl& impl);

 private:
  friend struct StreamCallbacks;
  struct Queue;
  enum class State : std::uint8_t { kNone, kConnecting, kOpen, kClosing };

  std::size_t queued() const;
  void begin(Loop& loop, StreamEvents& events);
  void watch(int fd);
  void connect_to(int fd, const void* address, std::uint32_t size);
  void connect_over(int error);
  void want(int events);
  void watch_for(int events);
  void watch_edges();
  void ready(int events);
  bool read_ready();
  void gather(std::string_view data);
  std::string_view take_gathered();
  static void send_all(LoopImpl& impl);
  void send_now(std::string_view gathered, std::string_view more);
  void enqueue(std::string_view data);
  void note_progress();
  void write_queue();
  void give_back(std::size_t sent);
  void tell_later();
  void fail();
  void send_fin();
  void free_queue();

  // A uv_poll_t (checked in stream.cc); libuv's own part of it that each event touches is its end.
  alignas(8) unsigned char handle_[160];
  Loop* loop_ = nullptr;
  StreamEvents* events_ = nullptr;
  Queue* queue_ = nullptr;
  int fd_ = -1;
  std::uint32_t gathered_ = 0;  // bytes in the loop's write buffer
  union {
    std::uint32_t gathered_index_ = 0;  // of their entry there, while there are some
    std::int32_t connect_error_;        // kConnecting: why there is no socket
  };
  std::uint8_t watched_ = 0;  // events that libuv watches for
  std::uint8_t drained_ = 0;  // reads in a row that left nothing behind; at its bound: edges
  State state_ = State::kNone;
  bool reading_ : 1 = false;
  bool broken_ : 1 = false;
  bool in_told_list_ : 1 = false;
  bool above_high_water_ : 1 = false;
  bool end_output_ : 1 = false;
  bool fin_sent_ : 1 = false;
  bool sent_any_ : 1 = false;
};

}  // namespace gw::net
