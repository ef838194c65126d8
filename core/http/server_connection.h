// SPDX-License-Identifier: Apache-2.0
//
// ServerConnection: one client's connection, and ServerTransaction: the request it serves now.
// Private to this room.
//
// The connection is always in one mode:
//   kIdle       between requests: nothing but the socket and a timer
//   kStarting   the first bytes of a head are held, too few to make a transaction for
//   kHead       the head of a request comes in
//   kServing    the handler has the request; its answer may be under way
//   kDraining   the answer is out, the rest of the request's body is read and dropped
//   kDetached   the answer is a stream; the transaction is gone
//   kTunnel     the connection has left HTTP; the transaction is gone
//   kLingering  our output has ended; waits for the client to close, so that it reads the answer
//   kClosing    only on_closed is left
// Calls of the handler never call it back: what they cause happens when control returns to pump(),
// or at the end of the turn (ServerConnections::defer).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "http/body_decoder.h"
#include "http/head_parser.h"
#include "http/head_text.h"
#include "http/head_writer.h"
#include "http/held_input.h"
#include "http/server_connections.h"
#include "http/transaction.h"
#include "http/tunnel.h"
#include "net/stream.h"

namespace gw::http {

class ServerConnection;

// GW_STREAM_... of gateway/abi/stream.h.
inline constexpr int kStreamClientGone = 1;
inline constexpr int kStreamTooSlow = 2;
inline constexpr int kStreamServerStop = 3;

// "1a\r\n" for 26 bytes.
std::string_view chunk_prefix(std::size_t size, char (&out)[20]);

class ServerTransaction final : public Transaction {
 public:
  explicit ServerTransaction(ServerConnection& connection);

  RequestHead& request() override { return *request_; }
  base::Arena& arena() override { return arena_; }
  net::Loop& loop() override;
  const Peer& peer() const override { return peer_; }
  std::uint64_t started_ns() const override { return started_ns_; }
  void set_sink(TransactionSink* sink) override { sink_ = sink; }
  void read_body() override;
  void pause_body() override { reading_body_ = false; }
  void set_body_limit(std::uint64_t bytes) override { body_limit_ = bytes; }
  void note_body_too_large() override;
  void send_informational(const ResponseHead& head) override;
  void send_head(const ResponseHead& head) override;
  bool send_body(std::string_view data) override;
  void finish() override;
  void abort() override;
  void detach(DetachedStream& stream) override;
  void tunnel(TunnelEnd& service) override;
  bool head_sent() const override { return head_sent_; }

 private:
  friend class ServerConnection;

  // Both messages' heads are of no more use: the rest of the body comes, to be dropped.
  void forget_head() {
    request_.reset();
    text_ = {};
    arena_.reset();
  }
  HeadParser::Result parse_head(std::string_view input, const ServerLimits& limits);
  std::uint16_t size_refusal(HeadParser::Result result, const ServerLimits& limits) const;
  bool body_too_large(std::uint64_t more) const;
  // Also of a head that could not be read to its end.
  bool is_head_request() const {
    return request_.has_value() ? request_->method == "HEAD" : text_.view().starts_with("HEAD ");
  }
  AnswerFrame frame_for(const ResponseHead& head) const;
  bool can_keep_alive() const;
  void request_moves();
  std::uint32_t rests_ms() const;
  bool awaits_body() const { return reading_body_ && sink_ != nullptr && !body_told_; }

  ServerConnection& connection_;
  base::Arena arena_;
  HeadParser* parser_ = nullptr;  // of the head that comes in
  HeadText text_;                 // as far as it came
  std::optional<RequestHead> request_;
  BodyDecoder body_;
  TransactionSink* sink_ = nullptr;
  Peer peer_;
  std::uint64_t started_ns_ = 0;
  std::uint64_t body_limit_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t answer_left_ = 0;
  std::uint32_t moved_ms_ = 0;  // of the loop's clock: when the request moved on last
  OutFraming framing_ = OutFraming::kNone;
  bool keep_alive_ = false;  // as the request allows, then as the answer says
  bool reading_body_ = false;
  bool body_told_ = false;  // the sink heard `last`
  bool continue_sent_ = false;
  bool head_sent_ = false;
  bool refused_ = false;       // its body, if any, was not even looked at
  bool event_stream_ = false;  // the answer goes on for as long as the client stays
  bool finished_ = false;      // finish(), abort() or detach() was called
  bool aborted_ = false;
  bool want_writable_ = false;
};

class ServerConnection final : public net::StreamEvents, public TunnelEnd, public StreamSocket {
 public:
  enum class Mode : std::uint8_t {
    kIdle,
    kStarting,
    kHead,
    kServing,
    kDraining,
    kDetached,
    kTunnel,
    kLingering,
    kClosing
  };

  // `port`: to which the client connected, as a PROXY header says; 0: not known.
  ServerConnection(ServerConnections& owner, int fd, const net::Address& peer, std::uint16_t port,
                   std::shared_ptr<const ListenerInfo> listener, bool counted_per_peer);
  ~ServerConnection();

  void on_data(char* data, std::size_t size) override;
  void on_end() override;
  void on_broken() override;
  void on_drained() override;
  void on_queued() override;
  void on_closed() override;

  net::Stream& tunnel_stream() override { return stream_; }
  void tunnel_starts(Tunnel& tunnel) override { tunnel_ = &tunnel; }
  void tunnel_over(bool reset) override;
  void tunnel_timed_out(const char* why) override;

  // From ServerConnections.
  void run_deferred();
  void drain();
  void abort(int stream_reason);
  void orphan();

 private:
  friend class ServerConnections;
  friend class ServerTransaction;

  const ServerSettings& settings() const { return *owner_->settings_; }
  HttpMetrics& metrics() const { return owner_->environment_.metrics; }

  void pump(std::string_view input);
  bool step(std::string_view& input);
  void input_over();
  void skip_empty_lines(std::string_view& input);
  bool begins_badly(std::string_view input) const;
  void begin_request();
  bool feed_head(std::string_view& input);
  bool wait_for_head();
  void take_request();
  void answer_options();
  bool deliver_body(std::string_view& input);
  bool drain_body(std::string_view& input);
  void body_failed(std::uint16_t status, std::string_view problem);
  void answer_over(bool more);
  void note_refusal(std::uint16_t status, std::string_view problem);
  void complain(base::LogLimit& limit, base::LogLevel level, const char* what, const char* why);
  void refuse(std::uint16_t status, std::string_view problem);
  std::string_view refusal_body(std::uint16_t status);
  void abort_transaction(bool client_left = true);  // or else it is counted already
  void release_transaction();
  void go_idle();
  void start_idle_timer();
  void linger();
  void close(bool reset = false);
  void schedule();
  void start_timer(std::uint32_t delay_ms);
  void timer_fired();
  bool answers_half_closed() const;
  void watch_progress();
  void check_progress();
  void check_reader();

  Written stream_write(std::string_view data) override;
  void stream_end() override;
  void stream_dropped() override;
  void stream_lost(int reason);

  net::Stream stream_;
  ServerConnections* owner_;
  ServerTransaction* transaction_ = nullptr;
  union {                                 // by mode_
    DetachedStream* detached_ = nullptr;  // kDetached
    Tunnel* tunnel_;                      // kTunnel
    std::uint64_t linger_until_ms_;       // kLingering
  };
  HeldInput rest_;  // bounded
  std::shared_ptr<const ListenerInfo> listener_;
  ServerConnection* next_ = nullptr;
  ServerConnection* previous_ = nullptr;
  net::Timer timer_;
  net::Address peer_;
  std::uint32_t dropped_bytes_ = 0;  // by mode_; before a request: of empty lines
  std::uint16_t client_port_ = 0;
  Mode mode_ = Mode::kIdle;
  bool deferred_ : 1 = false;
  bool pumping_ : 1 = false;
  bool peer_ended_ : 1 = false;
  bool keep_alive_ : 1 = false;  // of the stream's connection
  bool chunked_ : 1 = false;     // of the stream
  bool bodyless_ : 1 = false;    // of the stream: the answer to HEAD
  bool counted_per_peer_ : 1 = false;
  bool full_ : 1 = false;  // the stream's owner waits for on_writable
};

}  // namespace gw::http
