// SPDX-License-Identifier: Apache-2.0
#include "sentinel_watch.h"

#include <charconv>

namespace gw::queue {
namespace {

constexpr std::uint32_t kAskMs = 100;
constexpr std::uint64_t kForgetNs = 10'000'000'000;
constexpr std::string_view kNoSense = "a sentinel's answer makes no sense";

RedisOptions to_sentinel(RedisOptions options, const RedisHost& host) {
  options.to_sentinel = true;
  options.address.hosts = {host};
  return options;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

SentinelWatch::SentinelWatch(Context context, Worker worker, const RedisOptions& options,
                             Named named)
    : context_(context),
      worker_(worker),
      master_(options.address.master),
      named_(std::move(named)) {
  for (const char* word : {"SENTINEL", "MASTER"}) election_command_.add(word);
  for (const char* word : {"SENTINEL", "get-master-addr-by-name"}) master_command_.add(word);
  for (Command* command : {&election_command_, &master_command_}) command->add(master_);
  for (const RedisHost& host : options.address.hosts) {
    auto sentinel = std::make_unique<Sentinel>();
    sentinel->watch = this;
    sentinel->connection = std::make_unique<RedisConnection>(
        context, worker, to_sentinel(options, host), RedisConnection::Events{});
    sentinels_.push_back(std::move(sentinel));
  }
}

void SentinelWatch::start() {
  for (const auto& sentinel : sentinels_) sentinel->connection->start();
  timer_.start(
      worker_, kAskMs,
      [this] {
        for (const auto& sentinel : sentinels_) ask(*sentinel);
      },
      kAskMs);
}

void SentinelWatch::ask(Sentinel& sentinel) {
  if (sentinel.asking > 0 || !sentinel.connection->ready()) return;
  sentinel.number.reset();
  auto election = [](void* asked, const redisReply* reply) {
    on_election(*static_cast<Sentinel*>(asked), reply);
  };
  auto master = [](void* asked, const redisReply* reply) {
    on_master(*static_cast<Sentinel*>(asked), reply);
  };
  sentinel.asking += sentinel.connection->send(election_command_, election, &sentinel);
  sentinel.asking += sentinel.connection->send(master_command_, master, &sentinel);
}

// Name, value, name, value, ...
void SentinelWatch::on_election(Sentinel& sentinel, const redisReply* reply) {
  --sentinel.asking;
  if (reply == nullptr) return;
  for (std::size_t i = 0; i + 1 < reply->elements; i += 2)
    if (std::uint64_t number = 0; text_of(reply->element[i]) == "config-epoch" &&
                                  read_number(text_of(reply->element[i + 1]), number))
      sentinel.number = number;
}

void SentinelWatch::on_master(Sentinel& sentinel, const redisReply* reply) {
  --sentinel.asking;
  if (reply == nullptr) return;
  RedisHost host;
  if (!sentinel.number || reply->elements != 2 ||
      !read_number(text_of(reply->element[1]), host.port))
    return sentinel.connection->drop(kNoSense);
  host.name = text_of(reply->element[0]);
  if (host.name.empty() || host.port == 0) return sentinel.connection->drop(kNoSense);
  sentinel.connection->proven();
  sentinel.election = *sentinel.number;
  sentinel.master = std::move(host);
  sentinel.heard_ns = sentinel.watch->context_.monotonic_ns();
  sentinel.watch->choose();
}

// Numbers of elections are compared among the sentinels as they are now, and not with what was heard
// before: they begin anew when an operator removes a master and lets it be monitored again.
void SentinelWatch::choose() {
  const std::uint64_t now = context_.monotonic_ns();
  const Sentinel* best = nullptr;
  for (const auto& sentinel : sentinels_) {
    if (sentinel->heard_ns == 0 || now - sentinel->heard_ns > kForgetNs) continue;
    if (best == nullptr || sentinel->election > best->election) best = sentinel.get();
  }
  if (best == nullptr || best->master == chosen_) return;
  chosen_ = best->master;
  named_(chosen_);
}

}  // namespace gw::queue
