// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/prefetch.h"
#include "http/response_reader.h"
#include "http/upstream_pool.h"

namespace gw::http {

namespace {

constexpr std::uint8_t kMostInformational = 16;  // 1xx answers before the final one
constexpr std::uint64_t kStarvingMs = 1000;
constexpr std::uint64_t kStarvingBytesPerMs = 4;
constexpr std::uint32_t kMostPauseMs = 10000;  // of an answer, while others wait
constexpr std::size_t kExchangeBytes = 512;    // of what sinks and arenas are embedded in

// The system's words for an error; static.
const char* words(int error) {
  const char* text = strerrordesc_np(-error);
  return text == nullptr ? "the connection failed" : text;
}

// What a connection needs is not there: here, or (EAGAIN) room in a Unix socket's backlog.
bool is_shortage(int error) {
  return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS ||
         error == -EAGAIN;
}

}  // namespace

// ---- Opening and closing

void UpstreamConnection::connect(PoolEndpoint& endpoint, PoolCall& call, std::uint32_t tried) {
  endpoint_ = &endpoint;
  call_ = &call;
  call.connection = this;
  tried_ = tried;
  epoch_ = pool_->epoch_;
  pool_->metrics_.upstream_opened.add();
  pool_->metrics_.upstream_busy.add();
  if (endpoint.parts.unix_socket) {
    stream_.connect_unix(pool_->loop_, endpoint.path.c_str(), *this);
    start_timer(call.target.connect_timeout_ms);
    return;
  }
  const auto count = static_cast<std::uint32_t>(endpoint.addresses.size());
  address_ = endpoint.addresses[(endpoint.good + tried) % count];
  stream_.connect(pool_->loop_, address_, *this);
  // All addresses share the time that the call allows.
  start_timer(std::max<std::uint32_t>(1, call.target.connect_timeout_ms / count));
}

void UpstreamConnection::on_connected(int error) {
  if (state_ != State::kConnecting) return;
  if (is_shortage(error))
    return pool_->fail_now(*call_, UpstreamFailure::kOverloaded, words(error), false);
  if (error != 0) return connect_failed(UpstreamFailure::kRefused, words(error));
  const auto count = static_cast<std::uint32_t>(endpoint_->addresses.size());
  if (count > 0) endpoint_->good = (endpoint_->good + tried_) % count;
  PoolCall& call = *call_;
  attach(call);
  if (std::exchange(call.wants_writable, false)) call.sink.on_writable();
}

void UpstreamConnection::connect_failed(UpstreamFailure failure, const char* detail) {
  PoolCall& call = *call_;
  if (tried_ + 1 < endpoint_->addresses.size()) {
    PoolEndpoint& endpoint = *endpoint_;
    call_ = nullptr;
    pool_->open_connection(endpoint, call, tried_ + 1);
    return close();
  }
  pool_->fail_now(call, failure, detail, false);
}

void UpstreamConnection::attach(PoolCall& call) {
  call_ = &call;
  sink_ = &call.sink;
  arena_ = &call.arena;
  call.connection = this;
  if (state_ == State::kIdle) {
    reused_ = true;
    pool_->metrics_.upstream_busy.add();
  }
  state_ = State::kBusy;
  timer_.cancel();
  text_ = {};
  informational_ = 0;
  in_body_ = answer_begun_ = false;
  keep_alive_ = true;
  call.body_sent = 0;
  call.attached_ms = pool_->loop_.now_ms();
  stream_.forget_sent();
  stream_.start_reading();
  stream_.write(pool_->writer_.request(call.head, call.target.host));
  if (call.request_sent) start_response_timer();
}

void UpstreamConnection::close(bool reset) {
  if (state_ == State::kClosing) return;
  PoolEndpoint* endpoint = endpoint_;
  if (state_ == State::kIdle) {
    if (endpoint != nullptr) pool_->unlink_idle(*this);
  } else {
    pool_->metrics_.upstream_busy.subtract();
  }
  state_ = State::kClosing;
  --pool_->open_;
  timer_.cancel();
  rest_.clear();
  stream_.close(reset);
  endpoint_ = nullptr;
  if (endpoint == nullptr) return;
  --endpoint->connections;
  pool_->serve_waiting(*endpoint);
}

void UpstreamConnection::tunnel_over(bool reset) {
  tunnel_ = nullptr;
  if (!reset) stream_.flush();
  close(reset);
}

void UpstreamConnection::on_closed() {
  if (pool_ != nullptr) {
    (previous_ == nullptr ? pool_->connections_ : previous_->next_) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  }
  delete this;
}

void UpstreamConnection::go_idle() {
  state_ = State::kIdle;
  pool_->metrics_.upstream_busy.subtract();
  pool_->metrics_.upstream_idle.add();
  previous_idle_ = nullptr;
  next_idle_ = endpoint_->idle;
  if (next_idle_ != nullptr) next_idle_->previous_idle_ = this;
  endpoint_->idle = this;
  start_timer(pool_->limits_.idle_timeout_ms);
  pool_->serve_waiting(*endpoint_);
}

// ---- What comes in

void UpstreamConnection::on_data(char* data, std::size_t size) {
  if (state_ == State::kTunnel) return tunnel_->on_data(Tunnel::kService, {data, size});
  if (call_ != nullptr) {  // while the head is parsed
    base::prefetch(*call_);
    base::prefetch(sink_, kExchangeBytes);
    base::prefetch(arena_, kExchangeBytes);
  }
  pump({data, size});
}

void UpstreamConnection::pump(std::string_view input) {
  pumping_ = true;
  rest_.pump(input, [this](std::string_view& left) { return step(left); });
  pumping_ = false;
  if (state_ == State::kClosing) return rest_.clear();
  if (state_ == State::kTunnel) return;
  if (state_ == State::kBusy && in_body_ && !timer_.active())
    start_timer(call_->target.idle_timeout_ms);
  if (!rest_.empty()) {
    stream_.stop_reading();
  } else if (!peer_ended_) {
    stream_.start_reading();
  }
}

bool UpstreamConnection::step(std::string_view& input) {
  if (state_ == State::kTunnel && !input.empty()) {  // came with the head of 101
    tunnel_->on_data(Tunnel::kService, std::exchange(input, {}));
    return false;
  }
  if (state_ != State::kBusy || call_ == nullptr) {
    // Nobody asked: what an idle connection says could be taken for the answer to the next request.
    if (state_ == State::kIdle && !input.empty()) close();
    return false;
  }
  if (call_->cancelled) {
    let_go(input);
    return false;
  }
  if (!in_body_) return read_head(input);
  if (call_->paused) return false;
  return read_body(input);
}

bool UpstreamConnection::read_head(std::string_view& input) {
  if (input.empty()) return false;
  if (reused_ && !stream_.sent_any()) {
    // It came between two requests, though it is read behind the second: the answer to neither.
    fail(UpstreamFailure::kBroken, "it spoke before it was asked");
    return false;
  }
  answer_begun_ = true;
  const std::size_t most = pool_->limits_.max_head_bytes;
  const std::size_t before = text_.size;
  HeadParser::Result result = HeadParser::Result::kBad;
  bool room = false;
  if (before == 0) {
    parser_ = &pool_->parser_.start(false, call_->arena, pool_->limits_.max_fields);
    result = parser_->feed(input.data(), input.size());
    const bool whole = result == HeadParser::Result::kDone;
    const std::size_t size = whole ? parser_->head_bytes() : input.size();
    room = size <= most && text_.add(call_->arena, input.substr(0, size), !whole);
    if (room && result == HeadParser::Result::kMore) {
      HeadParser* kept = parser_->keep();
      room = kept != nullptr;
      if (room) parser_ = kept;
    }
  } else {
    const std::string_view more = input.substr(0, most + 1 - before);
    room = text_.add(call_->arena, more, true);
    if (room) result = parser_->feed(text_.data, text_.size);
    room =
        room && (result == HeadParser::Result::kDone ? parser_->head_bytes() : text_.size) <= most;
  }
  if (!room || result == HeadParser::Result::kTooManyFields) {
    fail(UpstreamFailure::kBadAnswer, "too large a head");
    return false;
  }
  if (result == HeadParser::Result::kBad) {
    fail(UpstreamFailure::kBadAnswer, parser_->problem());
    return false;
  }
  if (result == HeadParser::Result::kMore) {
    input = {};
    return false;
  }
  input.remove_prefix(parser_->head_bytes() - before);
  return take_head();
}

bool UpstreamConnection::take_head() {
  PoolCall& call = *call_;
  auto* made = call.arena.make<ResponseHead>(call.arena);
  if (made == nullptr) {
    fail(UpstreamFailure::kBadAnswer, "too large a head");
    return false;
  }
  ResponseHead& head = *made;
  const ResponseFacts facts = read_response(*parser_, text_.data, call.head.method == "HEAD", head);
  const char* problem = facts.problem;
  const bool upgrade = head.status == 101;
  const bool agreed = call.head.upgrade_websocket && facts.websocket && parser_->minor() > 0;
  if (problem == nullptr && upgrade && !agreed) {
    problem = "an upgrade that nobody asked for";
  }
  if (problem == nullptr && head.status < 200 && !upgrade &&
      ++informational_ > kMostInformational) {
    problem = "too many informational answers";
  }
  if (problem != nullptr) {
    fail(UpstreamFailure::kBadAnswer, problem);
    return false;
  }
  keep_alive_ = keep_alive_ && facts.keep_alive && !upgrade;
  if (head.status < 200 && !upgrade) {
    text_ = {};
    call.sink.on_informational(head);
    return true;
  }
  in_body_ = true;
  call.head_received = true;
  body_.start(facts.body, facts.body_bytes);
  timer_.cancel();  // pump() starts it anew, if more is to come
  call.sink.on_head(head);
  return true;
}

bool UpstreamConnection::read_body(std::string_view& input) {
  PoolCall& call = *call_;
  std::string_view data;
  if (body_.next(input, data) == BodyDecoder::Result::kBad) {
    fail(UpstreamFailure::kBadAnswer, "a malformed chunked body");
    return false;
  }
  const bool last = body_.ended() || (body_.until_close() && peer_ended_ && input.empty());
  if (last) {
    finish_answer(data, !input.empty());
    input = {};
    return false;
  }
  if (data.empty()) return false;
  timer_.cancel();
  call.sink.on_body(data, false);
  return true;
}

// After an answer before its request was whole, or with bytes behind it, the next could be wrong.
bool UpstreamConnection::reusable(bool surplus) const {
  return keep_alive_ && call_->request_sent && !surplus && !stream_.blocked() &&
         !stream_.broken() && !peer_ended_ && epoch_ == pool_->epoch_ && endpoint_->has(address_);
}

// Its call is cancelled. The rest of the answer may be at hand, and the connection serve on.
void UpstreamConnection::let_go(std::string_view& input) {
  std::string_view dropped;
  while (in_body_ && body_.next(input, dropped) == BodyDecoder::Result::kData) {
  }
  const bool reuse = in_body_ && body_.ended() && reusable(!input.empty());
  input = {};
  timer_.cancel();
  pool_->destroy(*std::exchange(call_, nullptr));
  reuse ? go_idle() : close();
}

void UpstreamConnection::finish_answer(std::string_view data, bool surplus) {
  PoolCall& call = *call_;
  const bool reuse = reusable(surplus);
  call.answer_over = true;
  call.upload_over();
  timer_.cancel();
  call.sink.on_body(data, true);
  call_ = nullptr;
  call.connection = nullptr;
  if (call.request_sent || call.cancelled) pool_->destroy(call);
  if (reuse && !stream_.broken()) {
    go_idle();
  } else {
    close();
  }
}

void UpstreamConnection::on_end() {
  if (state_ == State::kTunnel) return tunnel_->on_end(Tunnel::kService);
  if (state_ != State::kBusy) return close();
  if (in_body_ && (body_.ended() || body_.until_close())) {
    peer_ended_ = true;
    return pump({});
  }
  fail(UpstreamFailure::kBroken, "it closed before its answer was whole");
}

void UpstreamConnection::on_broken() {
  // A service that refuses a body answers and closes, which resets what we still write: its answer
  // is here all the same.
  if (state_ == State::kBusy && rest_.empty() && stream_.sent_any()) stream_.read_rest();
  if (state_ == State::kTunnel) return tunnel_->on_broken(Tunnel::kService);
  if (state_ != State::kBusy) return close();
  if (in_body_ && call_->paused) return;  // resume() goes on
  fail(UpstreamFailure::kBroken, "the connection broke");
}

void UpstreamConnection::resume() {
  pump({});
  if (state_ == State::kBusy && stream_.broken()) on_broken();
}

void UpstreamConnection::fail(UpstreamFailure failure, const char* detail) {
  if (call_->cancelled) {
    pool_->destroy(*std::exchange(call_, nullptr));
    return close();
  }
  pool_->fail_now(*call_, failure, detail, stream_.sent_any());
}

// ---- What goes out, and time

void UpstreamConnection::on_drained() {
  if (state_ == State::kTunnel) return tunnel_->on_drained(Tunnel::kService);
  if (call_ == nullptr) return;
  if (call_->request_sent) start_response_timer();
  if (!std::exchange(call_->wants_writable, false)) return;
  call_->sink.on_writable();
}

void UpstreamConnection::on_queued() {
  if (state_ == State::kTunnel) return tunnel_->on_queued();
  if (call_ == nullptr) return;
  if (call_->request_sent) stream_.tell_when_drained();
  if (!timer_.active()) start_timer(call_->target.idle_timeout_ms);
}

// Begins anew when the socket has the last of the request.
void UpstreamConnection::start_response_timer() {
  if (in_body_) return;
  untaken_ = kUnknown;
  if (stream_.blocked()) stream_.tell_when_drained();
  start_timer(call_->target.response_timeout_ms);
}

const char* UpstreamConnection::starves() const {
  if (state_ != State::kBusy || call_ == nullptr || call_->failure.has_value()) return nullptr;
  const std::uint64_t now_ms = pool_->loop_.now_ms();
  if (in_body_ && call_->paused && now_ms - call_->paused_ms >= kMostPauseMs)
    return "its client reads too slowly, and others wait";
  if (call_->request_sent || stream_.blocked()) return nullptr;
  const std::uint64_t age_ms = now_ms - call_->attached_ms;
  const bool slow = age_ms >= kStarvingMs && call_->body_sent < age_ms * kStarvingBytesPerMs;
  return slow ? "its client sends a body too slowly, and others wait" : nullptr;
}

// Has it taken, since this was last asked, some of a request that the system holds?
bool UpstreamConnection::takes_request() {
  const std::uint32_t untaken = stream_.held_by_system();
  const std::uint32_t before = std::exchange(untaken_, untaken);
  return before == kUnknown ? untaken > 0 : untaken < before;
}

void UpstreamConnection::start_timer(std::uint32_t delay_ms) {
  timer_.start(
      pool_->loop_, delay_ms, 0,
      [](void* self) { static_cast<UpstreamConnection*>(self)->timer_fired(); }, this);
}

void UpstreamConnection::timer_fired() {
  if (state_ == State::kConnecting) {
    return connect_failed(UpstreamFailure::kConnectTimeout, "it did not accept in time");
  }
  if (state_ == State::kIdle) return close();
  const std::uint32_t patience = call_->target.idle_timeout_ms;
  if (stream_.blocked()) {
    const std::uint32_t stalled = stream_.stalled_ms();
    if (stalled < patience) return start_timer(patience - stalled);
  }
  if (call_->paused) return start_timer(patience);
  if (call_->request_sent && !in_body_ && call_->body_sent > 0 && takes_request()) {
    return start_timer(call_->target.response_timeout_ms);
  }
  if (!call_->request_sent && !stream_.blocked()) {  // the client is slow
    if (in_body_) start_timer(patience);
    return;
  }
  fail(UpstreamFailure::kResponseTimeout, in_body_            ? "its answer stalled"
                                          : stream_.blocked() ? "it does not read its request"
                                                              : "it did not answer in time");
}

}  // namespace gw::http
