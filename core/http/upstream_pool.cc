// SPDX-License-Identifier: Apache-2.0
#include "http/upstream_pool.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "http/server_connection.h"

namespace gw::http {

namespace {
constexpr std::size_t kSpareCalls = 256;
constexpr std::size_t kMostAddresses = 16;    // of a name: they share the time to connect
constexpr std::size_t kMostEndpoints = 1024;  // above it, unused ones are forgotten
constexpr std::uint32_t kShedMs = 20;

// Of what an endpoint has, requests whose bodies are still to come, as slowly as their clients like,
// take half at most: the other half is for who has said all.
std::uint32_t share_of_uploads(std::uint32_t all) {
  return std::max<std::uint32_t>(1, all / 2);
}
}  // namespace

void CallList::push(PoolCall& call) {
  GW_CHECK(call.list == nullptr);
  call.list = this;
  call.next = nullptr;
  call.previous = last;
  (last == nullptr ? first : last->next) = &call;
  last = &call;
  ++size;
}

void CallList::remove(PoolCall& call) {
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): ~PoolCall takes it out of its list
  (call.previous == nullptr ? first : call.previous->next) = call.next;
  (call.next == nullptr ? last : call.next->previous) = call.previous;
  call.next = call.previous = nullptr;
  call.list = nullptr;
  --size;
}

// ---- PoolCall

PoolCall::~PoolCall() {
  upload_over();
  if (list == nullptr) return;
  if (list != &pool.deferred_) pool.metrics_.upstream_waiting.subtract();
  list->remove(*this);
}

void PoolCall::upload_over() {
  if (!std::exchange(is_upload, false)) return;
  --endpoint->uploads;
  if (endpoint->waiting_uploads.size == 0 || std::exchange(endpoint->serve_later, true)) return;
  pool.serve_later_.push_back(endpoint);
  pool.hook_.arm();
}

bool PoolCall::can_send() const {
  if (answer_over) return true;
  return connection != nullptr && connection->connected() && !connection->stream().blocked();
}

bool PoolCall::send_body(std::string_view data) {
  if (answer_over) return true;
  if (connection == nullptr || !connection->connected()) {
    wants_writable = true;
    return false;
  }
  if (data.empty() || request_sent) return true;
  body_sent += data.size();
  net::Stream& stream = connection->stream();
  bool room = true;
  if (head.framing == Framing::kChunked) {
    char size_line[20];
    stream.write(chunk_prefix(data.size(), size_line));
    stream.write(data);
    room = stream.write("\r\n");
  } else {
    data =
        data.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), body_left)));
    body_left -= data.size();
    room = stream.write(data);
  }
  if (!room) wants_writable = true;
  return room;
}

void PoolCall::finish_body() {
  if (request_sent) return;
  request_sent = true;
  upload_over();
  if (answer_over) {  // early answer: its connection is gone, this was the last reason to live
    if (connection == nullptr) pool.destroy(*this);
    return;
  }
  if (connection == nullptr) return;
  if (head.framing == Framing::kChunked) connection->stream().write("0\r\n\r\n");
  if (head.framing == Framing::kLength && body_left > 0) {
    pool.fail_later(*this, UpstreamFailure::kBroken, "the request's body ended early");
    return;
  }
  connection->start_response_timer();
}

void PoolCall::pause_reading() {
  if (!std::exchange(paused, true)) paused_ms = pool.loop_.now_ms();
}

void PoolCall::resume_reading() {
  if (!std::exchange(paused, false)) return;
  if (connection != nullptr && !connection->pumping()) pool.defer(*this);
}

void PoolCall::cancel() {
  if (connection != nullptr && connection->pumping()) {
    cancelled = true;  // pump() sees it
    return;
  }
  if (connection != nullptr) {
    UpstreamConnection* its = std::exchange(connection, nullptr);
    its->call_ = nullptr;
    its->close();
  }
  pool.destroy(*this);
}

bool PoolCall::body_follows() const {
  return !connection->body_.ended();
}

TunnelEnd& PoolCall::upgrade() {
  UpstreamConnection& its = *connection;
  its.call_ = nullptr;
  its.state_ = UpstreamConnection::State::kTunnel;
  its.timer_.cancel();
  pool.destroy(*this);
  return its;
}

// ---- Pool

Pool::Pool(net::Loop& loop, const UpstreamLimits& limits, HttpMetrics* metrics)
    : loop_(loop),
      limits_(limits),
      metrics_(metrics == nullptr ? own_metrics_ : *metrics),
      writer_(clock_),
      calls_(kSpareCalls),
      hook_(
          loop, [](void* self) { static_cast<Pool*>(self)->run_deferred(); }, this) {}

Pool::~Pool() {
  for (auto& [name, endpoint] : endpoints_) {
    endpoint->resolution.reset();
    for (CallList* list : {&endpoint->waiting, &endpoint->waiting_uploads}) {
      // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): ~PoolCall takes it out of its list
      while (list->first != nullptr) destroy(*list->first);
    }
  }
  for (UpstreamConnection* at = connections_; at != nullptr;) {
    UpstreamConnection* next = at->next_;
    if (at->call_ != nullptr) destroy(*std::exchange(at->call_, nullptr));
    at->endpoint_ = nullptr;
    if (at->tunnel_ != nullptr) at->tunnel_->stop(true);
    at->close();
    at->orphan();
    at = next;
  }
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): ~PoolCall takes it out of its list
  while (deferred_.first != nullptr) destroy(*deferred_.first);
}

PoolEndpoint* Pool::endpoint(std::string_view address) {
  const auto found = endpoints_.find(address);
  if (found != endpoints_.end()) return found->second.get();
  auto made = std::make_unique<PoolEndpoint>();
  made->name = address;
  made->parts = net::split_address(made->name);
  if (!made->parts.ok || (made->parts.port == 0 && !made->parts.unix_socket)) return nullptr;
  if (made->parts.unix_socket) {
    made->path = made->parts.host;
    if (!made->path.starts_with('/') && !limits_.unix_folder.empty())
      made->path = limits_.unix_folder + "/" + made->path;
  } else {
    const net::Address literal = net::Address::from_ip(made->parts.host, made->parts.port);
    if (literal.kind != net::Address::Kind::kNone) made->addresses.push_back(literal);
  }
  if (endpoints_.size() >= kMostEndpoints) forget_unused_endpoints();
  PoolEndpoint* out = made.get();
  endpoints_.emplace(made->name, std::move(made));
  return out;
}

void Pool::forget_unused_endpoints() {
  std::erase_if(endpoints_, [](const auto& item) {
    const PoolEndpoint& endpoint = *item.second;
    return endpoint.connections == 0 && endpoint.waits() == 0 && !endpoint.pinned &&
           !endpoint.serve_later;
  });
}

UpstreamCall* Pool::start(const UpstreamTarget& target, const RequestHead& head, base::Arena& arena,
                          UpstreamSink& sink) {
  PoolCall& call = *calls_.make(*this, target, head, arena, sink);
  call.request_sent = head.framing == Framing::kNone ||
                      (head.framing == Framing::kLength && head.content_length == 0);
  call.body_left = head.content_length;
  call.endpoint = endpoint(target.address);
  if (call.endpoint == nullptr) {
    fail_later(call, UpstreamFailure::kRefused, "not an address of an endpoint");
  } else {
    assign(call);
  }
  return &call;
}

bool Pool::room_for_upload(const PoolEndpoint& endpoint) const {
  return endpoint.uploads < share_of_uploads(limits_.max_connections_per_endpoint);
}

void Pool::assign(PoolCall& call) {
  PoolEndpoint& endpoint = *call.endpoint;
  if (!call.request_sent) {
    if (!room_for_upload(endpoint)) return wait(endpoint, call);
    call.is_upload = true;
    ++endpoint.uploads;
  }
  // What cannot be sent again is worth a look whether the connection ended unheard, in this turn.
  const bool once = !call.request_sent || !is_idempotent(call.head.method);
  while (UpstreamConnection* idle = endpoint.idle) {
    if (call.target.fresh_connection) {
      if (endpoint.connections < limits_.max_connections_per_endpoint) break;
      idle->close();  // makes room
      continue;
    }
    if (once && !idle->stream().silent()) {
      idle->close();
      continue;
    }
    unlink_idle(*idle);
    idle->attach(call);
    if (once && call.request_sent) idle->stream().flush();  // while that is true
    metrics_.upstream_reused.add();
    if (call.wants_writable) defer(call);
    return;
  }
  if (endpoint.connections < limits_.max_connections_per_endpoint && resolved(endpoint)) {
    return open_connection(endpoint, call, 0);
  }
  wait(endpoint, call);
}

void Pool::wait(PoolEndpoint& endpoint, PoolCall& call) {
  call.upload_over();
  const std::uint32_t most = limits_.max_waiting_per_endpoint;
  CallList& list = call.request_sent ? endpoint.waiting : endpoint.waiting_uploads;
  if (endpoint.waits() >= most || (!call.request_sent && list.size >= share_of_uploads(most))) {
    return fail_later(call, UpstreamFailure::kOverloaded, "too many requests wait for it");
  }
  call.turn = ++turns_;
  list.push(call);
  metrics_.upstream_waiting.add();
  if (!shed_timer_.active()) {
    shed_timer_.start(
        loop_, kShedMs, kShedMs, [](void* self) { static_cast<Pool*>(self)->shed_starving(); },
        this);
  }
  call.wait_timer.start(
      loop_, call.target.connect_timeout_ms, 0,
      [](void* user) {
        auto& its = *static_cast<PoolCall*>(user);
        const bool no_address = its.endpoint->resolution != nullptr;
        its.pool.fail_now(
            its, no_address ? UpstreamFailure::kConnectTimeout : UpstreamFailure::kOverloaded,
            no_address ? "its name is not resolved yet" : "no connection became free", false);
      },
      &call);
}

// Under the pool's own bound, if need be at the cost of a connection that rests elsewhere.
bool Pool::make_room() {
  if (limits_.max_connections == 0 || open_ < limits_.max_connections) return true;
  UpstreamConnection* at = connections_;
  while (at != nullptr && at->state_ != UpstreamConnection::State::kIdle) at = at->next_;
  if (at != nullptr) at->close();
  return at != nullptr;
}

void Pool::open_connection(PoolEndpoint& endpoint, PoolCall& call, std::uint32_t tried) {
  if (tried == 0 && !make_room())  // else it replaces one
    return fail_later(call, UpstreamFailure::kOverloaded, "no descriptor is left for it");
  ++open_;
  auto* connection = new UpstreamConnection(*this);
  connection->next_ = connections_;
  if (connections_ != nullptr) connections_->previous_ = connection;
  connections_ = connection;
  ++endpoint.connections;
  connection->connect(endpoint, call, tried);
}

// Are there addresses to try? Old ones serve while they are looked up again.
bool Pool::resolved(PoolEndpoint& endpoint) {
  if (endpoint.parts.unix_socket) return true;
  const bool literal = net::Address::from_ip(endpoint.parts.host).kind != net::Address::Kind::kNone;
  if (literal) return true;
  const bool fresh = !endpoint.addresses.empty() &&
                     loop_.now_ms() - endpoint.resolved_ms < limits_.resolve_refresh_ms;
  if (!fresh && endpoint.resolution == nullptr) resolve(endpoint);
  return !endpoint.addresses.empty();
}

void Pool::resolve(PoolEndpoint& endpoint) {
  endpoint.resolution = net::Resolution::start(
      loop_, endpoint.parts.host,
      [this, &endpoint](const std::vector<std::string>& addresses, std::string_view) {
        std::vector<net::Address> found;
        for (const std::string& text : addresses) {
          const net::Address address = net::Address::from_ip(text, endpoint.parts.port);
          if (address.kind != net::Address::Kind::kNone) found.push_back(address);
        }
        if (!found.empty()) set_addresses(endpoint, std::move(found));
        // Also when it failed: what was known serves on, and the next look is as far away as ever.
        endpoint.resolved_ms = loop_.now_ms();
        const auto finished = std::move(endpoint.resolution);  // lives to the end of this call
        if (!endpoint.addresses.empty()) return serve_waiting(endpoint);
        endpoint.pinned = true;
        for (CallList* list : {&endpoint.waiting, &endpoint.waiting_uploads}) {
          while (PoolCall* call = list->first) {
            // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): ~PoolCall takes it out of its list
            fail_now(*call, UpstreamFailure::kRefused, "its name cannot be resolved", false);
          }
        }
        endpoint.pinned = false;
      });
}

void Pool::set_addresses(PoolEndpoint& endpoint, std::vector<net::Address> found) {
  if (found.size() > kMostAddresses) found.resize(kMostAddresses);
  if (found == endpoint.addresses) return;
  endpoint.good = 0;
  endpoint.addresses = std::move(found);
  for (UpstreamConnection* at = endpoint.idle; at != nullptr;) {
    UpstreamConnection* next = at->next_idle_;
    if (!endpoint.has(at->address_)) at->close();
    at = next;
  }
}

// The first of those that may be served.
PoolCall* Pool::next_waiting(const PoolEndpoint& endpoint) const {
  PoolCall* call = endpoint.waiting.first;
  PoolCall* upload = room_for_upload(endpoint) ? endpoint.waiting_uploads.first : nullptr;
  if (call == nullptr || upload == nullptr) return call == nullptr ? upload : call;
  return upload->turn < call->turn ? upload : call;
}

// A connection became free, or may be opened.
void Pool::serve_waiting(PoolEndpoint& endpoint) {
  // Room that comes while a call is given its place is that call's, not of the one behind it.
  if (std::exchange(endpoint.serving, true)) return;
  while (PoolCall* call = next_waiting(endpoint)) {
    const bool room =
        endpoint.idle != nullptr || (endpoint.connections < limits_.max_connections_per_endpoint &&
                                     (endpoint.parts.unix_socket || !endpoint.addresses.empty()));
    if (!room) break;
    call->list->remove(*call);
    metrics_.upstream_waiting.subtract();
    call->wait_timer.cancel();
    assign(*call);
  }
  endpoint.serving = false;
}

// Whoever sends a body slowly holds a connection for as long as that takes. Not while others wait.
// One each time: what it brings about, for a hundred at once, would hold up everybody.
void Pool::shed_starving() {
  bool waits = false;
  for (auto& [name, endpoint] : endpoints_) {
    waits = waits || endpoint->waits() > 0;
    const bool full = endpoint->connections >= limits_.max_connections_per_endpoint;
    const bool uploads_full = full || !room_for_upload(*endpoint);
    if (!(full && endpoint->waiting.size > 0) &&
        !(uploads_full && endpoint->waiting_uploads.size > 0))
      continue;
    UpstreamConnection* at = connections_;
    while (at != nullptr && (at->endpoint_ != endpoint.get() || at->starves() == nullptr))
      at = at->next_;
    if (at != nullptr) fail_later(*at->call_, UpstreamFailure::kOverloaded, at->starves());
  }
  if (!waits) shed_timer_.cancel();
}

void Pool::fail_later(PoolCall& call, UpstreamFailure failure, const char* detail) {
  call.failure = failure;
  call.detail = detail;
  defer(call);
}

// From an event of the loop. The call is dead afterwards.
void Pool::fail_now(PoolCall& call, UpstreamFailure failure, const char* detail, bool sent) {
  metrics_.upstream_failed.add();
  UpstreamConnection* connection = std::exchange(call.connection, nullptr);
  const bool stale =
      failure == UpstreamFailure::kBroken && connection != nullptr && connection->may_be_stale();
  const UpstreamFailureInfo info{failure, stale, sent, call.head_received, detail};
  if (connection != nullptr) {
    connection->call_ = nullptr;
    connection->close();
  }
  UpstreamSink& sink = call.sink;
  destroy(call);
  sink.on_failed(info);
}

void Pool::defer(PoolCall& call) {
  if (call.list == nullptr) deferred_.push(call);
  hook_.arm();
}

void Pool::run_deferred() {
  while (PoolCall* call = deferred_.first) {
    deferred_.remove(*call);
    if (call->failure.has_value()) {
      const bool sent = call->connection != nullptr && call->connection->stream().sent_any();
      fail_now(*call, *call->failure, call->detail, sent);
      continue;
    }
    UpstreamConnection* connection = call->connection;
    if (connection == nullptr || !connection->connected()) continue;
    if (call->wants_writable && !connection->stream().blocked()) {
      call->wants_writable = false;
      call->sink.on_writable();
    }
    // The call may be gone; its connection then carries another one, or none.
    if (connection->call_ == call) connection->resume();
  }
  while (!serve_later_.empty()) {
    PoolEndpoint& endpoint = *serve_later_.back();
    serve_later_.pop_back();
    endpoint.serve_later = false;
    serve_waiting(endpoint);
  }
}

void Pool::unlink_idle(UpstreamConnection& connection) {
  PoolEndpoint& endpoint = *connection.endpoint_;
  (connection.previous_idle_ == nullptr ? endpoint.idle : connection.previous_idle_->next_idle_) =
      connection.next_idle_;
  if (connection.next_idle_ != nullptr) {
    connection.next_idle_->previous_idle_ = connection.previous_idle_;
  }
  connection.next_idle_ = connection.previous_idle_ = nullptr;
  metrics_.upstream_idle.subtract();
}

void Pool::close_idle() {
  ++epoch_;
  for (auto& [name, endpoint] : endpoints_) {
    while (endpoint->idle != nullptr) endpoint->idle->close();
  }
}

std::unique_ptr<UpstreamPool> make_upstream_pool(net::Loop& loop, const UpstreamLimits& limits,
                                                 HttpMetrics* metrics) {
  return std::make_unique<Pool>(loop, limits, metrics);
}

}  // namespace gw::http
