// SPDX-License-Identifier: Apache-2.0
//
// The pool's own classes; upstream.h is what others see. Private to this room.
//
//   PoolCall            one request and its answer; from a free list
//   UpstreamConnection  one socket; idle in its endpoint's stack, with one call, or in a tunnel
//   PoolEndpoint        one address as the router named it: its sockets, the calls that wait
//   Pool                endpoints, and what is left for the end of the turn
//
// Functions that owners call never call a sink; what has to be told is deferred to the end of the
// turn (Pool::defer). Sinks are called from events of the loop only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "http/body_decoder.h"
#include "http/head_parser.h"
#include "http/head_text.h"
#include "http/head_writer.h"
#include "http/held_input.h"
#include "http/metrics.h"
#include "http/tunnel.h"
#include "http/upstream.h"
#include "net/address.h"
#include "net/free_list.h"
#include "net/stream.h"

namespace gw::http {

class Pool;
class PoolCall;
class UpstreamConnection;
struct PoolEndpoint;

// A list that a call is in: at most one.
struct CallList {
  PoolCall* first = nullptr;
  PoolCall* last = nullptr;
  std::uint32_t size = 0;
  void push(PoolCall& call);
  void remove(PoolCall& call);
};

class PoolCall final : public UpstreamCall {
 public:
  PoolCall(Pool& its_pool, const UpstreamTarget& its_target, const RequestHead& its_head,
           base::Arena& its_arena, UpstreamSink& its_sink)
      : pool(its_pool), target(its_target), head(its_head), arena(its_arena), sink(its_sink) {}
  ~PoolCall() override;

  bool can_send() const override;
  bool send_body(std::string_view data) override;
  void finish_body() override;
  void pause_reading() override;
  void resume_reading() override;
  void cancel() override;
  bool body_follows() const override;
  TunnelEnd& upgrade() override;
  // It holds none of the connections that are for bodies to come.
  void upload_over();

  Pool& pool;
  const UpstreamTarget& target;
  const RequestHead& head;
  base::Arena& arena;
  UpstreamSink& sink;
  PoolEndpoint* endpoint = nullptr;
  UpstreamConnection* connection = nullptr;
  CallList* list = nullptr;
  PoolCall* next = nullptr;
  PoolCall* previous = nullptr;
  net::Timer wait_timer;        // while it waits for a connection
  std::uint64_t body_left = 0;  // of a body with a length
  std::uint64_t body_sent = 0;
  std::uint64_t turn = 0;                  // of its waiting
  std::uint64_t attached_ms = 0;           // when it got its connection
  std::uint64_t paused_ms = 0;             // since when it is paused
  std::optional<UpstreamFailure> failure;  // to be told
  const char* detail = "";
  bool request_sent = false;  // whole
  bool answer_over = false;   // the sink heard `last`
  bool paused = false;
  bool wants_writable = false;
  bool cancelled = false;  // inside a call of its sink
  bool head_received = false;
  bool is_upload = false;  // has a connection, and its body is to come
};

class UpstreamConnection final : public net::StreamEvents, public TunnelEnd {
 public:
  explicit UpstreamConnection(Pool& pool) : pool_(&pool) {}

  // The first address to try is `first`; `tried` counts those that failed.
  void connect(PoolEndpoint& endpoint, PoolCall& call, std::uint32_t tried);
  // Sends the head.
  void attach(PoolCall& call);
  void close(bool reset = false);
  void orphan() { pool_ = nullptr; }
  void pump(std::string_view input);
  // The call reads on.
  void resume();
  bool pumping() const { return pumping_; }
  bool connected() const { return state_ == State::kBusy; }
  // It has served before, and nothing of its present call's answer has come.
  bool may_be_stale() const { return reused_ && !answer_begun_; }
  void start_response_timer();
  // Why it should make room for those who wait; null: it should not.
  const char* starves() const;
  net::Stream& stream() { return stream_; }

  void on_connected(int error) override;
  void on_data(char* data, std::size_t size) override;
  void on_end() override;
  void on_broken() override;
  void on_drained() override;
  void on_queued() override;
  void on_closed() override;

  net::Stream& tunnel_stream() override { return stream_; }
  void tunnel_starts(Tunnel& tunnel) override { tunnel_ = &tunnel; }
  void tunnel_over(bool reset) override;

 private:
  friend class Pool;
  friend class PoolCall;
  enum class State : std::uint8_t { kConnecting, kBusy, kIdle, kTunnel, kClosing };

  void connect_failed(UpstreamFailure failure, const char* detail);
  void fail(UpstreamFailure failure, const char* detail);
  bool step(std::string_view& input);
  bool read_head(std::string_view& input);
  bool take_head();
  bool read_body(std::string_view& input);
  bool reusable(bool surplus) const;
  void let_go(std::string_view& input);
  void finish_answer(std::string_view data, bool surplus);
  void go_idle();
  bool takes_request();
  void start_timer(std::uint32_t delay_ms);
  void timer_fired();

  static constexpr std::uint32_t kUnknown = UINT32_MAX;
  net::Stream stream_;
  Pool* pool_;
  PoolEndpoint* endpoint_ = nullptr;
  PoolCall* call_ = nullptr;
  UpstreamSink* sink_ = nullptr;  // the call's, here too: known before the call is in the caches
  base::Arena* arena_ = nullptr;  // likewise
  Tunnel* tunnel_ = nullptr;
  UpstreamConnection* next_ = nullptr;  // all of the pool
  UpstreamConnection* previous_ = nullptr;
  UpstreamConnection* next_idle_ = nullptr;  // of the endpoint
  UpstreamConnection* previous_idle_ = nullptr;
  net::Timer timer_;
  HeldInput rest_;
  bool pumping_ = false;
  HeadParser* parser_ = nullptr;  // of the head that comes in
  HeadText text_;
  BodyDecoder body_;
  net::Address address_;  // of the peer; kNone: a Unix socket
  std::uint64_t epoch_ = 0;
  std::uint32_t tried_ = 0;
  std::uint32_t untaken_ = kUnknown;  // of a whole request, when the timer looked
  std::uint8_t informational_ = 0;
  State state_ = State::kConnecting;
  bool reused_ = false;
  bool in_body_ = false;
  bool answer_begun_ = false;
  bool keep_alive_ = false;
  bool peer_ended_ = false;
};

struct PoolEndpoint {
  std::string name;
  net::AddressParts parts;  // views into `name`
  std::string path;         // of a Unix socket
  std::vector<net::Address> addresses;
  std::unique_ptr<net::Resolution> resolution;
  std::uint64_t resolved_ms = 0;
  std::uint32_t good = 0;  // address that worked last
  std::uint32_t connections = 0;
  UpstreamConnection* idle = nullptr;  // the one used last on top
  CallList waiting;
  CallList waiting_uploads;   // their bodies are to come
  std::uint32_t uploads = 0;  // likewise, of `connections`
  bool serve_later = false;   // in the pool's list
  bool serving = false;       // serve_waiting() runs
  bool pinned = false;        // in use further up the stack: not to be forgotten

  std::uint32_t waits() const { return waiting.size + waiting_uploads.size; }
  bool has(const net::Address& address) const {
    return parts.unix_socket ||
           std::find(addresses.begin(), addresses.end(), address) != addresses.end();
  }
};

class Pool final : public UpstreamPool {
 public:
  Pool(net::Loop& loop, const UpstreamLimits& limits, HttpMetrics* metrics);
  ~Pool() override;

  UpstreamCall* start(const UpstreamTarget& target, const RequestHead& head, base::Arena& arena,
                      UpstreamSink& sink) override;
  void close_idle() override;
  void set_limits(const UpstreamLimits& limits) override { limits_ = limits; }

  // Made at its first use; null: not an address.
  PoolEndpoint* endpoint(std::string_view address);
  // What its name was resolved to, in the order in which they are tried. Connections to addresses
  // that are no more are not used again.
  void set_addresses(PoolEndpoint& endpoint, std::vector<net::Address> found);

 private:
  friend class PoolCall;
  friend class UpstreamConnection;
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  void forget_unused_endpoints();
  bool room_for_upload(const PoolEndpoint& endpoint) const;
  PoolCall* next_waiting(const PoolEndpoint& endpoint) const;
  void assign(PoolCall& call);
  bool make_room();
  void open_connection(PoolEndpoint& endpoint, PoolCall& call, std::uint32_t tried);
  void wait(PoolEndpoint& endpoint, PoolCall& call);
  bool resolved(PoolEndpoint& endpoint);
  void resolve(PoolEndpoint& endpoint);
  void serve_waiting(PoolEndpoint& endpoint);
  void shed_starving();
  void fail_later(PoolCall& call, UpstreamFailure failure, const char* detail);
  void fail_now(PoolCall& call, UpstreamFailure failure, const char* detail, bool sent);
  void defer(PoolCall& call);
  void run_deferred();
  void unlink_idle(UpstreamConnection& connection);
  void destroy(PoolCall& call) { calls_.destroy(&call); }

  net::Loop& loop_;
  UpstreamLimits limits_;
  HttpMetrics own_metrics_;
  HttpMetrics& metrics_;
  base::SystemClock clock_;
  HeadWriter writer_;
  SharedHeadParser parser_;
  net::FreeList<PoolCall> calls_;
  std::unordered_map<std::string, std::unique_ptr<PoolEndpoint>, TextHash, std::equal_to<>>
      endpoints_;
  CallList deferred_;
  std::vector<PoolEndpoint*> serve_later_;
  std::uint64_t turns_ = 0;
  net::TurnHook hook_;
  net::Timer shed_timer_;  // while calls wait
  UpstreamConnection* connections_ = nullptr;
  std::uint32_t open_ = 0;  // of these, those that are not closing
  std::uint64_t epoch_ = 0;
};

}  // namespace gw::http
