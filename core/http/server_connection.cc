// SPDX-License-Identifier: Apache-2.0
#include "http/server_connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "http/error_answer.h"
#include "http/request_reader.h"

namespace gw::http {

namespace {

constexpr std::uint32_t kMostStreamInputBytes = 4096;  // what a stream's client may say in vain
constexpr std::size_t kMostHeldBytes = 16 * 1024;      // read but not used yet, when reading rests

}  // namespace

static_assert(sizeof(ServerConnection) <= 376, "an idle connection must stay small");

ServerConnection::ServerConnection(ServerConnections& owner, int fd, const net::Address& peer,
                                   std::uint16_t port, std::shared_ptr<const ListenerInfo> listener,
                                   bool counted_per_peer)
    : owner_(&owner),
      listener_(std::move(listener)),
      peer_(peer),
      client_port_(port),
      counted_per_peer_(counted_per_peer) {
  stream_.adopt(owner.environment_.loop, fd, *this);
  stream_.start_reading();
  start_timer(settings().limits.header_timeout_ms);
}

ServerConnection::~ServerConnection() = default;

// ---- The socket's events

void ServerConnection::on_data(char* data, std::size_t size) {
  metrics().bytes_received.add(size);
  if (!rest_.empty()) {
    // Nobody can use it yet. Reading goes on within bounds, or a client that leaves would not be
    // noticed.
    rest_.append({data, size});
    if (mode_ == Mode::kStarting) return pump({});
    if (rest_.size() > kMostHeldBytes) stream_.stop_reading();
    return;
  }
  if (mode_ == Mode::kTunnel) return tunnel_->on_data(Tunnel::kClient, {data, size});
  pump({data, size});
}

void ServerConnection::on_end() {
  peer_ended_ = true;
  input_over();
}

// The client's side has ended; it may have said more than is used yet. It may wait for an answer,
// if all of the request is here and the answer has an end.
void ServerConnection::input_over() {
  if (!rest_.empty() && mode_ != Mode::kServing && mode_ != Mode::kStarting) return;
  switch (mode_) {
    case Mode::kServing:
      if (transaction_->finished_) return;
      if (!transaction_->event_stream_) {
        const bool whole = transaction_->body_.ended();
        if (whole) {
          transaction_->request_moves();
          watch_progress();
        }
        if (whole || !rest_.empty()) return;
      }
      abort_transaction();
      return close();
    case Mode::kDetached:
      return stream_lost(kStreamClientGone);
    case Mode::kTunnel:
      return tunnel_->on_end(Tunnel::kClient);
    case Mode::kStarting:
      rest_.clear();
      [[fallthrough]];
    case Mode::kIdle:
    case Mode::kDraining:
      stream_.flush();
      return stream_.blocked() ? linger() : close();
    case Mode::kLingering:
      if (!stream_.blocked()) close();
      return;
    case Mode::kHead:
      return close();
    case Mode::kClosing:
      return;
  }
}

void ServerConnection::on_broken() {
  if (mode_ == Mode::kDetached) return stream_lost(kStreamClientGone);
  if (mode_ == Mode::kTunnel) return tunnel_->on_broken(Tunnel::kClient);
  abort_transaction();
  close();
}

void ServerConnection::on_drained() {
  if (mode_ == Mode::kTunnel) return tunnel_->on_drained(Tunnel::kClient);
  if (mode_ == Mode::kServing && !transaction_->finished_ && transaction_->want_writable_) {
    transaction_->want_writable_ = false;
    if (transaction_->sink_ != nullptr) transaction_->sink_->on_writable();
  } else if (mode_ == Mode::kDetached && full_) {
    full_ = false;
    detached_->on_writable();
  } else if (mode_ == Mode::kIdle) {
    start_idle_timer();  // until now it was busy with its answer
    schedule();
  } else if (mode_ == Mode::kLingering) {
    linger();  // some of it may wait still
  }
}

void ServerConnection::on_queued() {
  if (mode_ == Mode::kTunnel) return tunnel_->on_queued();
  if (mode_ == Mode::kServing || mode_ == Mode::kDetached) watch_progress();
}

void ServerConnection::on_closed() {
  if (owner_ != nullptr) {
    release_transaction();
    owner_->closed(*this);
    return;
  }
  this->~ServerConnection();
  ::operator delete(this);
}

// ---- What comes in

void ServerConnection::pump(std::string_view input) {
  pumping_ = true;
  rest_.pump(input, [this](std::string_view& left) { return step(left); });
  pumping_ = false;
  if (mode_ == Mode::kClosing) return rest_.clear();
  if (peer_ended_) {
    input_over();
  } else if (mode_ != Mode::kTunnel) {
    rest_.size() > kMostHeldBytes ? stream_.stop_reading() : stream_.start_reading();
  }
}

// One step; false when there is nothing to do before something happens.
bool ServerConnection::step(std::string_view& input) {
  if (transaction_ != nullptr && transaction_->finished_) {
    if (mode_ == Mode::kServing) {
      answer_over(!input.empty());
      return true;
    }
    if (mode_ != Mode::kDraining) release_transaction();
  }
  switch (mode_) {
    case Mode::kIdle:
      // Who asks and does not read gets no further answers into memory; on_drained goes on.
      if (stream_.unsent() > net::Stream::kHighWater) return false;
      skip_empty_lines(input);
      if (input.empty()) return false;
      timer_.cancel();
      mode_ = Mode::kStarting;
      [[fallthrough]];
    case Mode::kStarting:
      if (begins_request(input)) return wait_for_head();
      begin_request();
      return true;
    case Mode::kHead:
      return feed_head(input);
    case Mode::kServing:
      return deliver_body(input);
    case Mode::kDraining:
      return drain_body(input);
    case Mode::kTunnel:
      // Once, for what came before the upgrade; its events go past here.
      if (!peer_ended_) stream_.start_reading();
      if (!input.empty()) tunnel_->on_data(Tunnel::kClient, std::exchange(input, {}));
      return false;
    case Mode::kDetached:
    case Mode::kLingering:
      dropped_bytes_ += static_cast<std::uint32_t>(input.size());
      if (!input.empty()) keep_alive_ = false;  // a request behind a stream's is lost
      input = {};
      if (mode_ == Mode::kDetached && dropped_bytes_ > kMostStreamInputBytes) {
        stream_lost(kStreamClientGone);
      }
      return false;
    case Mode::kClosing:
      input = {};
      return false;
  }
  return false;
}

// RFC 9112 2.2: an empty line before a request is ignored; here, two. Nothing has begun with them.
void ServerConnection::skip_empty_lines(std::string_view& input) {
  constexpr std::uint32_t kMostBytes = 4;
  while (!input.empty() && dropped_bytes_ < kMostBytes && input[0] == "\r\n"[dropped_bytes_ % 2]) {
    ++dropped_bytes_;
    input.remove_prefix(1);
  }
}

// With a line too many, or half of one.
bool ServerConnection::begins_badly(std::string_view input) const {
  return dropped_bytes_ % 2 != 0 || input.starts_with('\r') || input.starts_with('\n');
}

void ServerConnection::begin_request() {
  transaction_ = owner_->spare_transactions_.make(*this);
  mode_ = Mode::kHead;
}

bool ServerConnection::feed_head(std::string_view& input) {
  ServerTransaction& t = *transaction_;
  if (input.empty()) return wait_for_head();
  if (t.text_.size == 0 && begins_badly(input)) {
    input = {};
    refuse(400, "line ends before the request");
    return true;
  }
  const ServerLimits& limits = settings().limits;
  const std::size_t before = t.text_.size;
  const HeadParser::Result result = t.parse_head(input, limits);
  std::uint16_t status = t.size_refusal(result, limits);
  const bool malformed = status == 0 && result == HeadParser::Result::kBad;
  if (malformed) status = t.parser_->refusal();
  if (status == 0 && result == HeadParser::Result::kTooManyFields) status = 431;
  if (status != 0) {
    input = {};
    refuse(status, malformed ? t.parser_->problem() : "too large a head");
    return true;
  }
  if (result == HeadParser::Result::kMore) {
    input = {};
    return wait_for_head();
  }
  input.remove_prefix(t.parser_->head_bytes() - before);
  take_request();
  return true;
}

// From its first bytes on; a head that comes whole needs no timer.
bool ServerConnection::wait_for_head() {
  if (!timer_.active()) start_timer(settings().limits.header_timeout_ms);
  return false;
}

void ServerConnection::take_request() {
  ServerTransaction& t = *transaction_;
  t.request_.emplace(t.arena_);
  char id[32];
  char address[net::Address::kTextBytes];
  Sender sender;
  sender.address = t.peer_.address = t.arena_.copy(peer_.host_text(address));
  sender.trusted = settings().trusted && settings().trusted(sender.address);
  sender.connected_port = client_port_;
  if (settings().request_id) sender.fresh_id = t.arena_.copy(owner_->fresh_request_id(id));
  const RequestFacts facts =
      read_request(*t.parser_, t.text_.data, settings(), sender, *t.request_);
  t.peer_.client_address = facts.client_address;
  t.peer_.scheme = facts.scheme;
  t.peer_.listener = listener_->name;
  t.peer_.listener_index = listener_->index;
  t.started_ns_ = t.loop().now_ns();
  if (facts.status != 0) return refuse(facts.status, facts.problem);
  t.parser_ = nullptr;
  metrics().requests.add();
  t.keep_alive_ = facts.keep_alive;
  t.body_.start(t.request_->framing, t.request_->content_length);
  t.body_limit_ = settings().limits.max_body_bytes;
  mode_ = Mode::kServing;
  t.request_moves();
  watch_progress();
  if (facts.last_recipient) return answer_options();
  owner_->environment_.handler.on_request(t);
}

bool ServerConnection::deliver_body(std::string_view& input) {
  ServerTransaction& t = *transaction_;
  if (!t.reading_body_ || t.body_told_ || t.sink_ == nullptr) return false;
  if (t.body_too_large(0)) {
    body_failed(413, "too large a body");
    return true;
  }
  std::string_view data;
  if (t.body_.next(input, data) == BodyDecoder::Result::kBad) {
    body_failed(400, "a malformed chunked body");
    return true;
  }
  const bool last = t.body_.ended();
  // What a chunk announces counts: nobody waits for bytes that would be refused.
  const std::uint64_t announced = t.body_.chunk_left();
  if (announced > t.body_limit_ || t.body_too_large(data.size() + announced)) {
    body_failed(413, "too large a body");
    return true;
  }
  if (data.empty() && !last) return false;
  t.body_bytes_ += data.size();
  t.request_moves();
  t.body_told_ = last;
  t.sink_->on_body(data, last);
  return true;
}

// The answer is out; what the client still sends of its body is not wanted.
bool ServerConnection::drain_body(std::string_view& input) {
  ServerTransaction& t = *transaction_;
  std::string_view data;
  const BodyDecoder::Result result = t.body_.next(input, data);
  if (t.body_.ended()) {
    release_transaction();
    go_idle();
    return true;
  }
  dropped_bytes_ += static_cast<std::uint32_t>(data.size());
  if (!data.empty() && !stream_.blocked()) start_timer(settings().limits.body_idle_timeout_ms);
  if (result == BodyDecoder::Result::kBad || dropped_bytes_ > settings().limits.max_drain_bytes) {
    input = {};
    release_transaction();
    linger();
    return true;
  }
  return result != BodyDecoder::Result::kMore;
}

// ---- What goes out

// The handler is done with its transaction. `more`: the client has gone on behind its request.
void ServerConnection::answer_over(bool more) {
  ServerTransaction& t = *transaction_;
  if (!t.keep_alive_) stream_.flush();
  if (t.aborted_) return close(t.head_sent_ && t.framing_ == OutFraming::kUntilClose);
  if (t.keep_alive_ && !t.body_.ended()) {
    mode_ = Mode::kDraining;
    t.forget_head();
    dropped_bytes_ = 0;
    start_timer(settings().limits.body_idle_timeout_ms);
    return;
  }
  const bool keep = t.keep_alive_;
  const bool whole = !t.refused_ && t.body_.ended() && !more;
  release_transaction();
  if (keep) return go_idle();
  if (whole && !stream_.blocked()) return close();
  linger();
}

void ServerConnection::go_idle() {
  mode_ = Mode::kIdle;
  dropped_bytes_ = 0;
  start_idle_timer();
}

void ServerConnection::start_idle_timer() {
  start_timer(owner_->draining_ ? kDrainGraceMs : settings().limits.idle_timeout_ms);
}

void ServerConnection::close(bool reset) {
  if (mode_ == Mode::kClosing) return;
  mode_ = Mode::kClosing;
  timer_.cancel();
  rest_.clear();
  if (!reset) stream_.flush();
  stream_.close(reset);
}

void ServerConnection::abort_transaction(bool client_left) {
  if (transaction_ == nullptr || transaction_->finished_) return;
  transaction_->finished_ = transaction_->aborted_ = true;
  if (mode_ != Mode::kServing) return;
  if (client_left) metrics().requests_aborted.add();
  if (TransactionSink* sink = std::exchange(transaction_->sink_, nullptr)) sink->on_aborted();
}

void ServerConnection::release_transaction() {
  if (transaction_ == nullptr) return;
  owner_->spare_transactions_.destroy(std::exchange(transaction_, nullptr));
}

// ---- The next turn

void ServerConnection::schedule() {
  if (deferred_ || pumping_) return;
  deferred_ = true;
  owner_->defer(*this);
}

void ServerConnection::run_deferred() {
  deferred_ = false;
  if (mode_ != Mode::kClosing) pump({});
}

}  // namespace gw::http
