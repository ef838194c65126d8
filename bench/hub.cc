// SPDX-License-Identifier: Apache-2.0
//
// How long the waiting queue holds its loop while very many streams are open: 100,000 of them over
// the fake host (no sockets), the memory store, one worker. The wheel has a slot every 100 ms; what
// it does in each is timed, in processor time, which other programs do not change, and by the clock.
// The lateness of a tick is at most the time of the slots before it that took longer than theirs.
#include <gateway/plugin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "testing/fake_host.h"

extern "C" const gw_plugin gw_plugin_entry;

namespace {

double ms(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

void print(const char* what, std::vector<double>& slots) {
  std::sort(slots.begin(), slots.end());
  std::printf("| %s | %.2f | %.2f | %.2f |\n", what, slots[slots.size() / 2],
              slots[slots.size() * 99 / 100], slots.back());
}

}  // namespace

int main(int argc, char** argv) {
  using namespace gw::testing;
  const int streams = argc > 1 ? std::atoi(argv[1]) : 100'000;
  FakeHost host;
  Instance queue(host, gw_plugin_entry,
                 "store = \"memory\"\ncapacity = 1\nmax_streams = 1000000\nmax_users = 1000000");
  if (queue.start() != GW_OK) return 1;
  auto call = [&](const char* method, const char* target, int user) {
    RequestSpec spec;
    spec.method = method;
    spec.target = target;
    spec.attributes["identity.subject"] = "user-" + std::to_string(user);
    return std::make_unique<Exchange>(host, std::vector<Instance*>{&queue}, spec);
  };
  std::vector<std::unique_ptr<Exchange>> open;
  for (int user = 0; user <= streams; ++user) {
    call("POST", "/api/v1/queue/lineup", user);
    if (user > 0) open.push_back(call("GET", "/api/v1/queue/stream", user));
    if (user % 100 == 0) host.run();
  }
  host.advance(10'000);  // everybody was told once

  std::vector<double> used, passed;
  for (int round = 0; round < 3; ++round) {
    for (int slot = 0; slot < 100; ++slot) {
      const double cpu = ms(CLOCK_PROCESS_CPUTIME_ID), wall = ms(CLOCK_MONOTONIC);
      host.advance(100);
      used.push_back(ms(CLOCK_PROCESS_CPUTIME_ID) - cpu);
      passed.push_back(ms(CLOCK_MONOTONIC) - wall);
    }
    for (auto& stream : open) stream->take_body();
  }
  std::printf("%d streams; milliseconds of a slot of 100 ms.\n\n", streams);
  std::printf("| | p50 | p99 | longest |\n|---|---|---|---|\n");
  print("processor time", used);
  print("by the clock", passed);
}
