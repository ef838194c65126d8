// SPDX-License-Identifier: Apache-2.0
#include "sentinel_watch.h"

#include <charconv>

namespace gw::queue {
namespace {

constexpr std::uint32_t kAskMs = 100;
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
    : worker_(worker), master_(options.address.master), named_(std::move(named)) {
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
  sentinel.known = false;
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
    if (text_of(reply->element[i]) == "config-epoch")
      sentinel.known = read_number(text_of(reply->element[i + 1]), sentinel.election);
}

void SentinelWatch::on_master(Sentinel& sentinel, const redisReply* reply) {
  --sentinel.asking;
  if (reply == nullptr) return;
  RedisHost host;
  if (!sentinel.known || reply->elements != 2 ||
      !read_number(text_of(reply->element[1]), host.port))
    return sentinel.connection->drop(kNoSense);
  host.name = text_of(reply->element[0]);
  if (host.name.empty() || host.port == 0) return sentinel.connection->drop(kNoSense);
  sentinel.connection->proven();
  sentinel.watch->hear(sentinel.election, host);
}

// Between a sentinel's two answers it may have heard of an election: then the master is newer than the
// number, and who says the earlier one with the same number knows less.
void SentinelWatch::hear(std::uint64_t election, const RedisHost& host) {
  if (election < election_) return;
  std::string address = host.name + ':' + std::to_string(host.port);
  const bool newer = std::exchange(election_, election) < election;
  if (address == master_address_ || (!newer && address == earlier_address_)) return;
  earlier_address_ = std::exchange(master_address_, std::move(address));
  named_(host);
}

}  // namespace gw::queue
