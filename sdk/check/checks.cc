// SPDX-License-Identifier: Apache-2.0
#include "check/checks.h"

#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <stdexcept>

#include "check/world.h"
#include "testing/replay.h"

namespace gw::check {

namespace {

using testing::RequestSpec;

std::size_t entries(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}
std::size_t descriptors() {
  return entries("/proc/self/fd");
}
std::size_t threads() {
  return entries("/proc/self/task");
}

// Requests of many kinds, as long as none of them is of a kind that another pipeline would take.
std::vector<RequestSpec> requests() {
  std::vector<RequestSpec> all;
  for (const char* method : {"GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH", "BREW"})
    for (const char* target : {"/", "/a/b?c=d&e=%20", "/%C3%A4/~;x=y/", "/actuator/health"}) {
      RequestSpec spec;
      spec.method = method;
      spec.target = target;
      all.push_back(std::move(spec));
    }
  RequestSpec odd;
  odd.target = "/" + std::string(8000, 'p') + "?" + std::string(4000, 'q');
  odd.headers = {{"Authorization", ""},
                 {"Authorization", "Bearer " + std::string(8000, 'x')},
                 {"Cookie", ";;;=;"},
                 {"Accept-Language", "*;q=2, \xff"},
                 {"Origin", "null"},
                 {"X-User-Id", "1"},
                 {"Content-Type", "application/json; charset=\""}};
  for (int i = 0; i < 80; ++i) odd.headers.emplace_back("X-Many", std::to_string(i));
  all.push_back(odd);
  RequestSpec body;
  body.method = "POST";
  body.body = {std::string(300'000, 'b')};
  all.push_back(body);
  body.body = {""};
  all.push_back(body);
  return all;
}

std::string loads(const Subject& subject) {
  const Loaded loaded(subject.file);
  const settings::Manifest& manifest = loaded.manifest();
  return manifest.id + " " + manifest.version + ", ABI " + std::to_string(manifest.abi >> 16) +
         "." + std::to_string(manifest.abi & 0xffff) + ", " + manifest.licence +
         (manifest.pinned ? ", pinned: a gateway never unloads it" : "");
}

std::string interfaces(const Subject& subject) {
  const Loaded loaded(subject.file);
  const testing::FakeHost host;
  auto missing = [&](const std::vector<std::string>& wanted) {
    std::string all;
    for (const std::string& id : wanted)
      if (host.host()->get_interface(host.host(), id.c_str()) == nullptr)
        all += (all.empty() ? "" : ", ") + id;
    return all;
  };
  if (const std::string required = missing(loaded.manifest().required); !required.empty())
    throw std::runtime_error("requires what this release does not have: " + required);
  const std::string optional = missing(loaded.manifest().optional);
  return optional.empty() ? "" : "does without " + optional;
}

std::string configuration(const Subject& subject) {
  const Loaded loaded(subject.file);
  World world(loaded, subject.config);
  world.end();
  return "";
}

// Descriptors, threads and the library itself must be gone with it.
std::string life(const Subject& subject) {
  { const testing::FakeHost warm; }
  const std::size_t descriptors_before = descriptors(), threads_before = threads();
  bool pinned = false;
  {
    const Loaded loaded(subject.file);
    pinned = loaded.manifest().pinned;
    World world(loaded, subject.config);
    world.start();
    world.host().advance(5000);
    world.expect_no_breach();
    world.end();
  }
  if (descriptors() > descriptors_before)
    throw std::runtime_error("leaves " + std::to_string(descriptors() - descriptors_before) +
                             " descriptors open");
  if (threads() > threads_before && !pinned)
    throw std::runtime_error("leaves " + std::to_string(threads() - threads_before) +
                             " threads running");
  if (is_mapped(subject.file) && !pinned)
    throw std::runtime_error(
        "stays mapped after it was unloaded: a thread_local with a destructor, a unique symbol, or "
        "a library that keeps it");
  return "";
}

std::string exchanges(const Subject& subject) {
  const Loaded loaded(subject.file);
  World world(loaded, subject.config);
  world.start();
  if (!world.serves()) return "is no filter or router: not called";
  std::size_t count = 0;
  for (std::uint32_t worker = 0; worker < World::kWorkers; ++worker)
    for (RequestSpec request : requests()) {
      request.worker = worker;
      const Outcome outcome = world.run(request);
      if (outcome.status < 200 || outcome.status > 599)
        throw std::runtime_error(request.method + " " + request.target.substr(0, 80) +
                                 " has no whole answer");
      ++count;
    }
  world.end();
  return std::to_string(count) + " of them";
}

std::string difference(const Outcome& a, const Outcome& b) {
  if (a.status != b.status)
    return "status " + std::to_string(b.status) + " instead of " + std::to_string(a.status);
  if (a.sent != b.sent) return "the service gets another body";
  if (a.body != b.body) return "the client gets another body";
  return a.headers != b.headers ? "the answer has other headers" : "one is a stream";
}

// However a body is cut up, what client and service see is the same.
std::string bodies(const Subject& subject) {
  const Loaded loaded(subject.file);
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += static_cast<char>(i * 7 % 251);
  auto outcome_of = [&](std::size_t piece) {
    RequestSpec request;
    request.method = "POST";
    request.headers = {{"Content-Length", std::to_string(text.size())}};
    for (std::size_t at = 0; at < text.size(); at += piece)
      request.body.push_back(text.substr(at, piece));
    World world(loaded, subject.config);
    world.start();
    if (!world.serves()) return Outcome{};
    Outcome outcome = world.run(request);
    world.end();
    return outcome;
  };
  const Outcome whole = outcome_of(text.size());
  for (const std::size_t piece : {1u, 7u, 1000u, 16'384u}) {
    const Outcome cut = outcome_of(piece);
    if (cut == whole) continue;
    throw std::runtime_error("a body of 20000 bytes in pieces of " + std::to_string(piece) +
                             " comes to something else than in one: " + difference(whole, cut));
  }
  return "";
}

// The client goes at every moment.
std::string departures(const Subject& subject) {
  const Loaded loaded(subject.file);
  World world(loaded, subject.config);
  world.start();
  if (!world.serves()) return "is no filter or router: not called";
  for (std::uint32_t waited = 0; waited < 40; ++waited)
    for (const bool blocked : {false, true}) {
      RequestSpec request;
      request.worker = waited % World::kWorkers;
      request.method = waited % 3 == 0 ? "POST" : "GET";
      if (waited % 3 == 0) request.body = std::vector<std::string>(20, std::string(5000, 'x'));
      auto exchange = world.begin(request);
      if (blocked) exchange->block(true);
      if (waited > 0) world.host().run();
      for (std::uint32_t i = 1; i < waited; ++i) world.host().advance(1u << (i % 14));
      exchange->leave();
      exchange.reset();
      world.host().run();
    }
  // The rest goes with the plugin.
  auto open = world.begin({});
  world.host().run();
  world.expect_no_breach();
  world.end();
  return "";
}

std::string replays(const Subject& subject) {
  if (subject.recordings.empty()) return "no --replay";
  const std::vector<std::string> all = testing::read_recordings(subject.recordings);
  const Loaded loaded(subject.file);
  std::string wrong;
  for (std::size_t i = 0; i < all.size(); ++i) {
    World world(loaded, subject.config);
    world.start();
    for (const std::string& difference : world.replay(all[i]))
      wrong += "\n  line " + std::to_string(i + 1) + ": " + difference;
    world.end();
  }
  if (!wrong.empty()) throw std::runtime_error("does otherwise than it was recorded:" + wrong);
  return std::to_string(all.size()) + " of them";
}

std::string reloads(const Subject& subject) {
  constexpr std::uint32_t kWarm = 10;
  constexpr std::size_t kSlack = 128;  // bytes a reload: what the C library keeps varies
  std::size_t memory = 0, open = 0;
  for (std::uint32_t i = 0; i < subject.reloads + kWarm; ++i) {
    if (i == kWarm) {
      memory = ::mallinfo2().uordblks;
      open = descriptors();
    }
    const Loaded loaded(subject.file);
    World world(loaded, subject.config);
    world.start();
    RequestSpec request;
    for (int n = 0; world.serves() && n < 10; ++n) world.run(request);
    world.end();
  }
  if (descriptors() > open)
    throw std::runtime_error("holds " + std::to_string(descriptors() - open) +
                             " more descriptors after " + std::to_string(subject.reloads) +
                             " reloads");
  const std::size_t now = ::mallinfo2().uordblks;
  const std::size_t grown = now > memory ? (now - memory) / std::max(subject.reloads, 1u) : 0;
  if (grown > kSlack)
    throw std::runtime_error("loses " + std::to_string(grown) + " bytes a reload");
  return std::to_string(subject.reloads) + " of them, 10 exchanges each";
}

}  // namespace

const std::vector<Check>& all_checks() {
  static const std::vector<Check> all = {
      {"loads", "the file, its manifest and its entry", loads},
      {"interfaces", "what it requires is there", interfaces},
      {"configuration", "the configuration is accepted, without any effect", configuration},
      {"life", "from create to destroy, and nothing is left", life},
      {"exchanges", "requests of many kinds", exchanges},
      {"bodies", "bodies in pieces", bodies},
      {"departures", "clients that leave at any moment", departures},
      {"replay", "exchanges that a gateway recorded", replays},
      {"reloads", "again and again, without growing", reloads},
  };
  return all;
}

}  // namespace gw::check
