// SPDX-License-Identifier: Apache-2.0
#include "redis_connection.h"

#include <algorithm>
#include <charconv>

namespace gw::queue {
namespace {

constexpr std::uint32_t kCheckMs = 100;  // how exactly time-outs are kept
// What a reply may hold: our largest has two numbers for each user of a batch.
constexpr long long kMaxElements = 100'000;
constexpr std::size_t kMaxUnreadBytes = 16u << 20;
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::string_view kReplaced = "the sentinels have made another server the master";

bool is_error(const redisReply* reply) {
  return reply->type == REDIS_REPLY_ERROR;
}

// The server's version from the answer to HELLO: name, value, name, value, ...
std::string version_in(const redisReply* reply) {
  for (std::size_t i = 0; i + 1 < reply->elements; i += 2)
    if (text_of(reply->element[i]) == "version") return std::string(text_of(reply->element[i + 1]));
  return {};
}

void append_size(char kind, std::size_t size, std::string& out) {
  char line[24] = {kind};
  char* end = std::to_chars(line + 1, line + sizeof line - 2, size).ptr;
  *end++ = '\r', *end++ = '\n';
  out.append(line, static_cast<std::size_t>(end - line));
}

// A command as it travels. hiredis would do it in twice the time, into memory of its own.
void format(int count, const char* const* words, const std::size_t* sizes, std::string& out) {
  out.clear();
  append_size('*', static_cast<std::size_t>(count), out);
  for (int i = 0; i < count; ++i) {
    append_size('$', sizes[i], out);
    out.append(words[i], sizes[i]).append("\r\n", 2);
  }
}

// "10.0.0.1:6379", "[::1]:6379" or "::1:6379"; nothing when it is not of that form.
std::optional<RedisHost> read_endpoint(std::string_view text) {
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  RedisHost host;
  std::string_view port = text.substr(colon + 1), name = text.substr(0, colon);
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), host.port);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  host.name = name;
  return host;
}

}  // namespace

std::string_view text_of(const redisReply* reply) {
  return reply->str == nullptr ? std::string_view() : std::string_view(reply->str, reply->len);
}

RedisConnection::RedisConnection(Context context, Worker worker, const RedisOptions& options,
                                 Events events)
    : context_(context), worker_(worker), options_(options), events_(std::move(events)) {
  turn_ = Ticket(tables.turn->create(
                     worker_.raw(),
                     [](void* self) { static_cast<RedisConnection*>(self)->write_now(); }, this),
                 tables.turn->cancel);
}

RedisConnection::~RedisConnection() {
  events_ = {};
  state_ = State::kClosing;
  for (Pending& pending : pending_) pending.replied = nullptr;
  if (redis_ == nullptr) return;
  redis_->onConnect = nullptr;
  redis_->onDisconnect = nullptr;
  redisAsyncFree(std::exchange(redis_, nullptr));
}

void RedisConnection::start() {
  if (state_ == State::kIdle) resolve();
}

void RedisConnection::resolve() {
  state_ = State::kConnecting;
  connecting_since_ns_ = context_.monotonic_ns();
  clock_.start(
      worker_, kCheckMs, [this] { check_time(); }, kCheckMs);
  const RedisAddress& address = options_.address;
  if (!address.unix_path.empty() && !next_) return connect({});
  host_ = next_ ? next_->name : address.hosts[failures_ % address.hosts.size()].name;
  auto done = [](void* user, gw_status status, const gw_str* addresses, std::uint32_t count) {
    auto* self = static_cast<RedisConnection*>(user);
    self->resolution_.release();
    if (status != GW_OK || count == 0) {
      self->lost("its name does not resolve");
    } else {
      const std::size_t hosts = std::max<std::size_t>(1, self->options_.address.hosts.size());
      const std::size_t turn = self->failures_ / hosts;
      self->connect(std::string(view(addresses[turn % count])));
    }
  };
  resolution_ = Ticket(tables.resolve->resolve(worker_.raw(), str(host_), done, this),
                       tables.resolve->cancel);
  if (resolution_.get() == nullptr) lost("its name does not resolve");
}

void RedisConnection::connect(const std::string& address) {
  redisOptions options = {};
  const std::vector<RedisHost>& hosts = options_.address.hosts;
  if (address.empty()) {
    REDIS_OPTIONS_SET_UNIX(&options, options_.address.unix_path.c_str());
  } else {
    REDIS_OPTIONS_SET_TCP(&options, address.c_str(),
                          next_ ? next_->port : hosts[failures_ % hosts.size()].port);
  }
  redisAsyncContext* redis = redisAsyncConnectWithOptions(&options);
  if (redis == nullptr || redis->err != 0) {
    std::string reason = redis == nullptr ? "out of memory" : redis->errstr;
    if (redis != nullptr) redisAsyncFree(redis);
    lost(reason);
    return;
  }
  redis_ = redis;
  if (options_.address.tls) {
    if (std::string reason = tls_.begin(redis_->c, options_.address, host_); !reason.empty()) {
      redisAsyncFree(std::exchange(redis_, nullptr));
      return lost(reason);
    }
  }
  attach();
}

void RedisConnection::attach() {
  redis_->data = this;
  redis_->ev.data = this;
  redis_->ev.addRead = [](void* data) {
    auto* self = static_cast<RedisConnection*>(data);
    self->want(self->watched_ | GW_FD_READ);
  };
  redis_->ev.delRead = [](void* data) {
    auto* self = static_cast<RedisConnection*>(data);
    self->want(self->watched_ & ~static_cast<std::uint32_t>(GW_FD_READ));
  };
  // Until connected, writable means connected; later a write waits for the end of the turn, and the
  // descriptor is watched only when the socket did not take all of it.
  redis_->ev.addWrite = [](void* data) {
    auto* self = static_cast<RedisConnection*>(data);
    if (self->state_ == State::kConnecting || self->writing_) {
      self->want(self->watched_ | GW_FD_WRITE);
    } else {
      tables.turn->arm(self->turn_.get());
    }
  };
  redis_->ev.delWrite = [](void* data) {
    auto* self = static_cast<RedisConnection*>(data);
    self->want(self->watched_ & ~static_cast<std::uint32_t>(GW_FD_WRITE));
  };
  redis_->ev.cleanup = [](void* data) {
    auto* self = static_cast<RedisConnection*>(data);
    self->watch_.reset();
    self->watched_ = 0;
  };
  watched_ = 0;
  watch_ = Ticket(tables.fd->watch(
                      worker_.raw(), redis_->c.fd, 0,
                      [](void* self, std::uint32_t events) {
                        static_cast<RedisConnection*>(self)->on_events(events);
                      },
                      this),
                  tables.fd->cancel);
  if (watch_.get() == nullptr) {
    redisAsyncFree(std::exchange(redis_, nullptr));
    lost("its descriptor cannot be watched");
    return;
  }
  redis_->c.reader->maxelements = kMaxElements;
  redisAsyncSetConnectCallback(redis_, on_connected);
  redisAsyncSetDisconnectCallback(redis_, on_disconnected);
}

void RedisConnection::want(std::uint32_t events) {
  if (events == watched_ || watch_.get() == nullptr) return;
  watched_ = events;
  tables.fd->update(watch_.get(), events);
}

void RedisConnection::on_events(std::uint32_t events) {
  if ((events & GW_FD_READ) != 0 && redis_ != nullptr) redisAsyncHandleRead(redis_);
  if (redis_ != nullptr && redis_->c.reader->len > kMaxUnreadBytes) drop("a reply is too large");
  if ((events & GW_FD_WRITE) != 0) write();
}

void RedisConnection::write_now() {
  if (state_ != State::kConnecting) write();
}

void RedisConnection::write() {
  if (redis_ == nullptr) return;
  writing_ = true;
  redisAsyncHandleWrite(redis_);
  writing_ = false;
}

std::string RedisConnection::reason_of(const redisAsyncContext* redis) const {
  if (std::string refusal = tls_.refusal(); !refusal.empty()) return refusal;
  return redis->err != 0 ? redis->errstr : "closed";
}

void RedisConnection::on_connected(const redisAsyncContext* redis, int status) {
  auto* self = static_cast<RedisConnection*>(redis->data);
  if (status != REDIS_OK) {
    self->redis_ = nullptr;  // hiredis frees it
    self->lost(self->reason_of(redis));
    return;
  }
  if (redis->c.connection_type == REDIS_CONN_TCP)
    redisEnableKeepAlive(const_cast<redisContext*>(&redis->c));
  self->want(self->watched_ & ~static_cast<std::uint32_t>(GW_FD_WRITE));
  self->state_ = State::kGreeting;
  self->greet(self->asks_sentinel() ? Step::kSentinelAuth : Step::kHello);
}

void RedisConnection::on_disconnected(const redisAsyncContext* redis, int) {
  auto* self = static_cast<RedisConnection*>(redis->data);
  self->redis_ = nullptr;
  if (std::exchange(self->hopping_, false)) return self->resolve();
  std::string reason = std::exchange(self->reason_, {});
  if (reason.empty()) reason = self->reason_of(redis);
  self->lost(reason);
}

void RedisConnection::greet(Step step) {
  const RedisAddress& address = options_.address;
  step_ = step;
  Command command;
  std::string database = std::to_string(address.database);
  std::string_view user = address.user.empty() ? std::string_view("default") : address.user;
  if (step == Step::kSentinelAuth) {
    if (address.sentinel_password.empty()) return greet(Step::kSentinel);
    command.add("AUTH"), command.add(address.sentinel_password);
  } else if (step == Step::kSentinel && options_.to_sentinel) {
    return become_ready();
  } else if (step == Step::kSentinel) {
    for (const char* word : {"SENTINEL", "get-master-addr-by-name"}) command.add(word);
    command.add(address.master);
  } else if (step == Step::kHello) {
    for (const char* word : {"HELLO", "3"}) command.add(word);
    if (!address.password.empty())
      command.add("AUTH"), command.add(user), command.add(address.password);
  } else if (step == Step::kAuth) {
    if (address.password.empty()) return greet(Step::kSelect);
    command.add("AUTH");
    if (!address.user.empty()) command.add(address.user);
    command.add(address.password);
  } else if (step == Step::kSelect) {
    if (address.database == 0) return greet(Step::kRole);
    command.add("SELECT"), command.add(database);
  } else {
    command.add("ROLE");
  }
  transmit(
      command.size(), command.words.data(), command.sizes.data(),
      [](void* self, const redisReply* reply) {
        auto* connection = static_cast<RedisConnection*>(self);
        if (reply != nullptr) connection->on_greeting(connection->step_, reply);
      },
      this);
}

void RedisConnection::on_greeting(Step step, const redisReply* reply) {
  std::string_view error = is_error(reply) ? text_of(reply) : std::string_view();
  if (step == Step::kRole) return on_role(reply);
  if (step == Step::kSentinelAuth && error.empty()) return greet(Step::kSentinel);
  if (step == Step::kSentinel && error.empty()) return on_master(reply);
  if (step == Step::kHello &&
      (error.starts_with("ERR unknown command") || error.starts_with("NOPROTO")))
    return greet(Step::kAuth);  // a server before Redis 6
  if (!error.empty()) return drop(error);
  if (step == Step::kHello) {
    version_ = version_in(reply);
    return greet(Step::kSelect);
  }
  greet(step == Step::kAuth ? Step::kSelect : Step::kRole);
}

void RedisConnection::on_master(const redisReply* reply) {
  if (reply->elements != 2) return drop("a sentinel does not know a master of that name");
  auto port = text_of(reply->element[1]);
  RedisHost host{std::string(text_of(reply->element[0])), 0};
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), host.port);
  if (host.name.empty() || error != std::errc() || end != port.data() + port.size())
    return drop("a sentinel's answer makes no sense");
  hop(expected_ ? *expected_ : std::move(host));
}

void RedisConnection::expect_master(const RedisHost& master) {
  expected_ = master;
  if (next_ && next_ != expected_) drop(kReplaced);
}

void RedisConnection::follow(std::string_view moved) {
  auto host = read_endpoint(moved.substr(moved.rfind(' ') + 1));
  if (!host || ++hops_ > kMaxHops) return drop(moved);
  if (host->name.empty()) host->name = host_;  // "the one you asked"
  hop(std::move(*host));
}

void RedisConnection::hop(RedisHost host) {
  if (redis_ == nullptr || (state_ != State::kGreeting && state_ != State::kReady)) return;
  next_ = std::move(host);
  hopping_ = true;
  state_ = State::kClosing;
  redisAsyncFree(redis_);  // on_disconnected goes on
}

void RedisConnection::on_role(const redisReply* reply) {
  bool forbidden =
      is_error(reply) && text_of(reply).starts_with("NOPERM");  // then the first write will tell
  if (is_error(reply) && !forbidden) return drop(text_of(reply));
  if (!forbidden && !options_.address.cluster &&
      (reply->elements == 0 || text_of(reply->element[0]) != "master"))
    return drop("it is not the master");
  if (expected_ && next_ != expected_) return drop(kReplaced);  // heard before it was connected
  become_ready();
}

void RedisConnection::become_ready() {
  state_ = State::kReady;
  if (events_.on_ready) events_.on_ready();
}

bool RedisConnection::transmit(int count, const char** words, const std::size_t* sizes,
                               Replied replied, void* user_data) {
  if (redis_ == nullptr) return false;
  pending_.push_back({this, replied, user_data, context_.monotonic_ns()});
  format(count, words, sizes, text_);
  if (redisAsyncFormattedCommand(redis_, on_reply, &pending_.back(), text_.data(), text_.size()) ==
      REDIS_OK)
    return true;
  pending_.pop_back();
  return false;
}

bool RedisConnection::send(const Command& command, Replied replied, void* user_data) {
  if (state_ != State::kReady || full()) return false;
  auto** words = const_cast<const char**>(command.words.data());
  return transmit(command.size(), words, command.sizes.data(), replied, user_data);
}

bool RedisConnection::subscribe(std::string_view channel) {
  if (state_ != State::kReady || redis_ == nullptr) return false;
  const char* words[] = {"SUBSCRIBE", channel.data()};
  const std::size_t sizes[] = {9, channel.size()};
  return redisAsyncCommandArgv(redis_, on_push, this, 2, words, sizes) == REDIS_OK;
}

void RedisConnection::on_reply(redisAsyncContext*, void* reply, void* data) {
  Pending pending = *static_cast<Pending*>(data);
  RedisConnection* self = pending.connection;
  self->pending_.pop_front();  // replies come in the order of the commands
  if (reply == nullptr) self->state_ = State::kClosing;
  if (pending.replied != nullptr)
    pending.replied(pending.user_data, static_cast<const redisReply*>(reply));
}

void RedisConnection::on_push(redisAsyncContext*, void* data, void* user_data) {
  auto* self = static_cast<RedisConnection*>(user_data);
  const auto* reply = static_cast<const redisReply*>(data);
  if (reply == nullptr) {
    self->state_ = State::kClosing;
    return;
  }
  if (is_error(reply)) return self->drop(text_of(reply));
  self->proven();
  if (reply->elements != 3) return;
  std::string_view kind = text_of(reply->element[0]);
  if (kind == "subscribe" && self->events_.on_subscribed) self->events_.on_subscribed();
  if (kind == "message" && self->events_.on_message)
    self->events_.on_message(text_of(reply->element[2]));
}

void RedisConnection::drop(std::string_view reason) {
  if (redis_ == nullptr || (state_ != State::kGreeting && state_ != State::kReady)) return;
  state_ = State::kClosing;
  reason_ = reason;
  redisAsyncFree(redis_);  // on_disconnected tells; inside a callback hiredis frees after it
}

// The context is gone, or never was.
void RedisConnection::lost(std::string_view reason) {
  std::string why(reason);
  clock_.cancel();
  next_.reset();
  hopping_ = false;
  state_ = State::kWaiting;
  retry_later();
  if (events_.on_lost) events_.on_lost(why);
}

void RedisConnection::retry_later() {
  std::uint32_t delay = options_.reconnect_min_ms << std::min<std::uint32_t>(failures_, 16);
  delay = std::min(std::max(delay, options_.reconnect_min_ms), options_.reconnect_max_ms);
  ++failures_;
  std::uint32_t random = 0;
  context_.random(&random, sizeof random);
  delay = delay / 2 + random % (delay / 2 + 1);  // half of it is jitter, against a herd
  retry_.start(worker_, delay, [this] { resolve(); });
}

void RedisConnection::check_time() {
  std::uint64_t now = context_.monotonic_ns();
  if (state_ == State::kConnecting || state_ == State::kGreeting) {
    if (now - connecting_since_ns_ < options_.connect_timeout_ms * kMillisecond) return;
    resolution_.reset();
    if (redis_ == nullptr) return lost("connecting takes too long");
    if (state_ == State::kGreeting) return drop("connecting takes too long");
    redisAsyncContext* redis = std::exchange(redis_, nullptr);
    redis->onConnect = nullptr;
    state_ = State::kClosing;
    redisAsyncFree(redis);
    return lost("connecting takes too long");
  }
  if (!pending_.empty() &&
      now - pending_.front().sent_ns > options_.command_timeout_ms * kMillisecond)
    drop("it does not answer in time");
}

}  // namespace gw::queue
