// SPDX-License-Identifier: Apache-2.0
#include "sentinel_watch.h"

#include <charconv>

namespace gw::queue {
namespace {

constexpr std::uint32_t kAskMs = 250;

RedisOptions to_sentinel(RedisOptions options) {
  options.to_sentinel = true;
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
    : worker_(worker),
      master_(options.address.master),
      named_(std::move(named)),
      connection_(context, worker, to_sentinel(options), {}) {
  for (const char* word : {"SENTINEL", "MASTER"}) command_.add(word);
  command_.add(master_);
}

void SentinelWatch::start() {
  connection_.start();
  timer_.start(
      worker_, kAskMs, [this] { ask(); }, kAskMs);
}

void SentinelWatch::ask() {
  if (asking_ || !connection_.ready()) return;
  asking_ = connection_.send(
      command_,
      [](void* self, const redisReply* reply) {
        static_cast<SentinelWatch*>(self)->on_answer(reply);
      },
      this);
}

// Name, value, name, value, ...
void SentinelWatch::on_answer(const redisReply* reply) {
  asking_ = false;
  if (reply == nullptr) return;
  RedisHost host;
  std::uint64_t election = 0;
  bool known = false;
  for (std::size_t i = 0; i + 1 < reply->elements; i += 2) {
    const std::string_view name = text_of(reply->element[i]),
                           value = text_of(reply->element[i + 1]);
    if (name == "ip") host.name = value;
    if (name == "port" && !read_number(value, host.port)) host.port = 0;
    if (name == "config-epoch") known = read_number(value, election);
  }
  if (!known || host.name.empty() || host.port == 0)
    return connection_.drop("a sentinel's answer makes no sense");
  connection_.proven();
  // The leader of an election tells its number a moment before it names who won.
  std::string address = host.name + ':' + std::to_string(host.port);
  if (election < election_ || address == master_address_) return;
  if (election == election_ && address == earlier_address_) return;
  election_ = election;
  earlier_address_ = std::exchange(master_address_, std::move(address));
  named_(host);
}

}  // namespace gw::queue
