// SPDX-License-Identifier: Apache-2.0
//
// Upstream calls over pooled connections. One pool per worker: a LIFO of idle connections per
// endpoint.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "http/message.h"
#include "net/loop.h"

namespace gw::http {

class TunnelEnd;

struct UpstreamLimits {
  std::uint32_t max_connections = 0;  // of the pool; 0: not bounded
  std::uint32_t max_connections_per_endpoint = 256;
  std::uint32_t max_waiting_per_endpoint = 1024;  // calls that wait for a connection
  std::uint32_t idle_timeout_ms = 30000;          // of a pooled connection
  std::uint32_t resolve_refresh_ms = 30000;       // of names
  std::uint32_t max_head_bytes = 32768;
  std::uint32_t max_fields = 200;
  std::string unix_folder;  // where relative paths of Unix sockets start; empty: the current folder
};

struct UpstreamTarget {
  std::string_view
      address;  // "10.0.0.7:8080", "[::1]:8080", "name:8080", "unix:/path" (or unix:relative)
  std::string_view host;  // Host to send
  std::uint32_t connect_timeout_ms = 5000;
  std::uint32_t response_timeout_ms = 60000;
  std::uint32_t idle_timeout_ms = 30000;
  bool fresh_connection = false;  // none that has served before
};

// Values as GW_ATTEMPT_... in gateway/abi/router.h.
enum class UpstreamFailure : int {
  kRefused = 1,
  kConnectTimeout = 2,
  kBroken = 3,
  kResponseTimeout = 4,
  kBadAnswer = 5,
  kOverloaded = 7
};

struct UpstreamFailureInfo {
  UpstreamFailure failure;
  // The connection had served before and broke before any byte of this answer: it may simply have
  // been closed meanwhile. Whoever repeats the request asks for a fresh one.
  bool stale_connection;
  bool request_bytes_sent;  // anything of this request reached the socket
  bool head_received;       // the answer had begun: it can only be aborted
  std::string_view detail;  // for the log; dies with the call
};

// What a call's owner hears, on the loop's thread and never inside a call into UpstreamCall or
// start().
class UpstreamSink {
 public:
  virtual ~UpstreamSink() = default;
  virtual void on_informational(const ResponseHead& head) = 0;
  // The final head, in the arena given to start(), and the owner's from now on; hop-by-hop fields
  // are taken out. 101 only where head.upgrade_websocket asked for it: upgrade() or cancel() must
  // then be called.
  virtual void on_head(ResponseHead& head) = 0;
  // Valid during the call; `last` exactly once.
  virtual void on_body(std::string_view data, bool last) = 0;
  virtual void on_writable() = 0;  // after send_body answered false; also when connected, if that
                                   // happened before
  // The call is over and dead after this returns.
  virtual void on_failed(const UpstreamFailureInfo& info) = 0;
};

// Dead after on_body(last) returned with the request fully sent, on_failed, cancel, or upgrade.
class UpstreamCall {
 public:
  virtual ~UpstreamCall() = default;
  // Request body in the framing of the head; before the connection stands, nothing is taken: false
  // means "not taken at all" until connected, "taken, but wait" afterwards -- ask can_send() first.
  virtual bool can_send() const = 0;
  virtual bool send_body(std::string_view data) = 0;
  virtual void finish_body() = 0;
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  // The owner lost interest: the connection is closed, unless the exchange was whole.
  virtual void cancel() = 0;
  // In on_head: the answer goes on behind its head.
  virtual bool body_follows() const = 0;
  // In on_head, with 101: the connection, which has left HTTP. It is for Transaction::tunnel, at
  // once.
  virtual TunnelEnd& upgrade() = 0;
};

class UpstreamPool {
 public:
  virtual ~UpstreamPool() = default;
  // `head`, `target` and `arena` must live until the call is over. `head.framing` / content_length
  // say what body follows; fields are sent as they are, plus Host, Via is the caller's business,
  // Connection, Upgrade and framing are the pool's.
  virtual UpstreamCall* start(const UpstreamTarget& target, const RequestHead& head,
                              base::Arena& arena, UpstreamSink& sink) = 0;
  // Closes idle connections; those in use close when their call is over.
  virtual void close_idle() = 0;
  // For what begins from now on.
  virtual void set_limits(const UpstreamLimits&) {}
};

struct HttpMetrics;

// For the thread of `loop`. `metrics` (may be null) must outlive the pool. Calls still open when it
// is destroyed are dropped unheard.
std::unique_ptr<UpstreamPool> make_upstream_pool(net::Loop& loop, const UpstreamLimits& limits,
                                                 HttpMetrics* metrics = nullptr);

}  // namespace gw::http
