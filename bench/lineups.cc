// SPDX-License-Identifier: Apache-2.0
//
// What line-ups cost the gateway for the Redis part alone: this process's own processor time from
// Store::submit to the answer, per line-up, against a real redis-server, in turns of the loop with
// one, eight or 64 line-ups each. Beside it hiredis alone: the same commands, made once and for all,
// formatted, sent and their replies read. Neither counts the server's time. Best of several rounds.
//
// With one turn on its way the process sleeps until its answers are there, and most of the time goes
// into that; with several, as under load, the answers to earlier turns are there when the next is made.
#include <gateway/plugin.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queue_part.h"
#include "redis_server_for_test.h"
#include "testing/fake_host.h"

extern "C" const gw_plugin gw_plugin_entry;

namespace {

using namespace gw::queue;

constexpr int kLineups = 16'384, kRounds = 5;

double cpu_us() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

std::vector<std::string> texts(const char* form, int first) {
  std::vector<std::string> all;
  char text[64];
  for (int i = 0; i < kLineups; ++i) {
    const int size = std::snprintf(text, sizeof text, form, first + i);
    all.emplace_back(text, static_cast<std::size_t>(size));
  }
  return all;
}

double by_store(gw::testing::FakeHost& host, Store& store, int first, int turn, int on_way) {
  const auto users = texts("person-%029d", first), ids = texts("%032x", first);
  int answered = 0;
  const auto done = [](void* count, const Answer& answer) {
    *static_cast<int*>(count) += answer.error == StoreError::kNone ? 1 : -kLineups;
  };
  const double begun = cpu_us();
  for (int i = 0; i < kLineups;) {
    const int end = std::min(kLineups, i + turn);
    for (; i < end; ++i)
      if (store.submit(Operation::kLineup, users[static_cast<std::size_t>(i)],
                       ids[static_cast<std::size_t>(i)], done, &answered) != StoreError::kNone)
        return -1;
    const int wanted = i == kLineups ? i : i - (on_way - 1) * turn;
    if (!host.run_until([&] { return answered >= wanted; })) return -1;
  }
  return (cpu_us() - begun) / kLineups;
}

double by_hiredis(redisContext& redis, const Scripts& scripts, int first, int turn, int on_way) {
  const auto users = texts("person-%029d", first), ids = texts("%032x", first);
  std::vector<Command> commands;
  for (int i = 0; i < kLineups; i += turn) {
    std::vector<Asked> asked;
    for (int j = i; j < std::min(kLineups, i + turn); ++j)
      asked.push_back({users[static_cast<std::size_t>(j)], ids[static_cast<std::size_t>(j)]});
    scripts.lineup(asked, false, commands.emplace_back());
  }
  const auto answered = [&redis] {
    void* reply = nullptr;
    if (redisGetReply(&redis, &reply) != REDIS_OK) return false;
    return Reply(static_cast<redisReply*>(reply))->type == REDIS_REPLY_ARRAY;
  };
  const double begun = cpu_us();
  int open = 0;
  for (Command& command : commands) {
    int written = 0;
    redisAppendCommandArgv(&redis, command.size(), command.words.data(), command.sizes.data());
    while (written == 0)
      if (redisBufferWrite(&redis, &written) != REDIS_OK) return -1;
    if (++open < on_way) continue;
    if (!answered()) return -1;
    --open;
  }
  for (; open > 0; --open)
    if (!answered()) return -1;
  return (cpu_us() - begun) / kLineups;
}

}  // namespace

int main() {
  RedisServer server;
  gw::testing::FakeHost host;
  gw::testing::Instance queue(
      host, gw_plugin_entry,
      "capacity = 0\nmax_pending = 100000\nstore = \"unix:" + server.socket() + "\"");
  if (queue.start() != GW_OK) return 1;
  Rules rules;
  rules.capacity = 0;
  const Scripts scripts(rules, "");
  Store& store = static_cast<QueuePart*>(queue.part())->store();
  const std::unique_ptr<redisContext, void (*)(redisContext*)> redis(
      redisConnectUnix(server.socket().c_str()), redisFree);
  if (!redis || redis->err != 0) return 1;
  std::printf("| line-ups in a turn | turns on their way | gateway us | hiredis alone us |\n");
  std::printf("|---|---|---|---|\n");
  int first = 0;
  for (const auto& [turn, on_way] : {std::pair(1, 1), {8, 1}, {64, 1}, {1, 8}, {8, 8}, {64, 8}}) {
    double ours = 1e9, theirs = 1e9;
    for (int round = 0; round < kRounds; ++round) {
      const double a = by_store(host, store, first += kLineups, turn, on_way);
      const double b = by_hiredis(*redis, scripts, first += kLineups, turn, on_way);
      if (a < 0 || b < 0) return 1;
      ours = std::min(ours, a), theirs = std::min(theirs, b);
    }
    std::printf("| %d | %d | %.2f | %.2f |\n", turn, on_way, ours, theirs);
  }
}
