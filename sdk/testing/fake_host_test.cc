// SPDX-License-Identifier: Apache-2.0
#include "testing/fake_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "testing/probe_plugin.h"

namespace gw::testing {
namespace {

using probe::Probe;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FakeHostTest, ChecksConfiguration) {
  FakeHost host;
  host.set_env("PROBE_TEXT", "from the environment");
  Probe fine(host);
  ASSERT_TRUE(fine.instance.created());
  Probe wrong(host, probe::kFilter, "wrong", "texd = \"x\"");
  EXPECT_FALSE(wrong.instance.created());
  ASSERT_EQ(wrong.instance.complaints().size(), 1u);
  EXPECT_THAT(wrong.instance.complaints()[0], HasSubstr("config.toml:1:1: "));
}

TEST(FakeHostTest, TimersFollowTheFakeClock) {
  FakeHost host;
  Probe probe(host);
  ASSERT_EQ(probe.instance.start(), GW_OK);
  Worker worker = probe.hooks.workers.at(0);
  std::vector<std::string> fired;
  Timer once, again;
  once.start(worker, 25, [&] { fired.emplace_back("once"); });
  again.start(
      worker, 10, [&] { fired.emplace_back("again"); }, 10);
  EXPECT_EQ(host.live_tickets(), 2u);
  host.run();
  EXPECT_TRUE(fired.empty());
  host.advance(30);
  EXPECT_THAT(fired, ElementsAre("again", "again", "once", "again"));
  EXPECT_FALSE(once.active());
  EXPECT_EQ(host.live_tickets(), 1u);
  again.cancel();
  host.advance(100);
  EXPECT_EQ(fired.size(), 4u);
}

TEST(FakeHostTest, RunsPostsOnTheirWorkers) {
  FakeHost host(2);
  Probe probe(host);
  ASSERT_EQ(probe.instance.start(), GW_OK);
  std::vector<std::uint32_t> ran;
  auto note = [&](probe::Filter::Part& part) { ran.push_back(part.worker.index()); };
  probe.hooks.context->post<probe::Filter::Part>(1, note);
  probe.hooks.context->post<probe::Filter::Part>(0, note);
  probe.hooks.context->post<probe::Filter::Part>(2, note);  // no such worker
  std::thread([&] { probe.hooks.context->post<probe::Filter::Part>(1, note); }).join();
  EXPECT_TRUE(ran.empty());
  host.run();
  EXPECT_THAT(ran, ElementsAre(1u, 0u, 1u));
}

TEST(FakeHostTest, DropsPostsOfAnInstanceThatNeverServed) {
  FakeHost host;
  int dropped = 0;
  {
    Probe probe(host);
    auto drop = [](void* user) { ++*static_cast<int*>(user); };
    auto run = [](void*, void*) { ADD_FAILURE() << "there is no part"; };
    EXPECT_EQ(tables.post->post(probe.hooks.context->raw(), 0, run, drop, &dropped), GW_OK);
    host.run();
    EXPECT_EQ(dropped, 0);
  }
  EXPECT_EQ(dropped, 1);
}

TEST(FakeHostTest, WatchesDescriptorsAndTurns) {
  FakeHost host;
  Probe probe(host);
  ASSERT_EQ(probe.instance.start(), GW_OK);
  std::array<int, 2> pair{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
  struct Reader {
    int fd;
    std::string got;
    gw_ticket* hook;
    int flushed = 0;
  } reader{pair[0], "", nullptr};
  gw_worker* worker = probe.hooks.workers.at(0).raw();
  EXPECT_EQ(tables.fd->watch(worker, -1, GW_FD_READ, nullptr, nullptr), nullptr);
  reader.hook = tables.turn->create(
      worker, [](void* user) { ++static_cast<Reader*>(user)->flushed; }, &reader);
  gw_ticket* watch = tables.fd->watch(
      worker, pair[0], GW_FD_READ,
      [](void* user, std::uint32_t events) {
        auto* self = static_cast<Reader*>(user);
        EXPECT_EQ(events, static_cast<std::uint32_t>(GW_FD_READ));
        std::array<char, 16> bytes{};
        ssize_t size = read(self->fd, bytes.data(), bytes.size());
        self->got.append(bytes.data(), static_cast<std::size_t>(size));
        tables.turn->arm(self->hook);
      },
      &reader);
  host.run();
  EXPECT_EQ(reader.got, "");
  ASSERT_EQ(write(pair[1], "abc", 3), 3);
  EXPECT_TRUE(host.run_until([&] { return reader.flushed == 1; }));
  EXPECT_EQ(reader.got, "abc");
  EXPECT_EQ(tables.fd->update(watch, 0), GW_OK);
  ASSERT_EQ(write(pair[1], "def", 3), 3);
  host.run();
  EXPECT_EQ(reader.got, "abc");
  tables.fd->cancel(watch);
  tables.turn->cancel(reader.hook);
  EXPECT_EQ(host.live_tickets(), 0u);
  close(pair[0]), close(pair[1]);
}

TEST(FakeHostTest, AnswersCallsAndResolutions) {
  FakeHost host;
  Probe probe(host);
  ASSERT_EQ(probe.instance.start(), GW_OK);
  gw_worker* worker = probe.hooks.workers.at(0).raw();
  host.on_call([](const CallRequest& request) -> std::optional<CallAnswer> {
    if (request.url == "http://silent/") return std::nullopt;
    return CallAnswer{.http_status = 202, .body = "for " + request.url, .headers = {{"ETag", "1"}}};
  });
  std::vector<std::string> got;
  auto done = [](void* user, const gw_call_answer* answer) {
    static_cast<std::vector<std::string>*>(user)->push_back(std::to_string(answer->status) + " " +
                                                            std::to_string(answer->http_status) +
                                                            " " + std::string(view(answer->body)));
  };
  gw_call_request request{};
  request.struct_size = sizeof request;
  request.timeout_ms = 100;
  request.method = str("GET"), request.url = str("ftp://x/");
  EXPECT_EQ(tables.call->call(worker, &request, done, &got), nullptr);
  request.url = str("http://x/");
  EXPECT_NE(tables.call->call(worker, &request, done, &got), nullptr);
  request.url = str("http://silent/");
  EXPECT_NE(tables.call->call(worker, &request, done, &got), nullptr);
  EXPECT_TRUE(got.empty());
  host.run();
  EXPECT_THAT(got, ElementsAre("0 202 for http://x/"));
  host.advance(100);
  EXPECT_THAT(got, ElementsAre("0 202 for http://x/", "-6 0 "));
  EXPECT_EQ(host.calls().size(), 2u);

  got.clear();
  auto resolved = [](void* user, gw_status status, const gw_str* addresses, std::uint32_t count) {
    static_cast<std::vector<std::string>*>(user)->push_back(
        status == GW_OK && count == 1 ? std::string(view(addresses[0])) : "-");
  };
  for (const char* name : {"localhost", "::1", "nobody.invalid"})
    tables.resolve->resolve(worker, str(name), resolved, &got);
  host.run();
  EXPECT_THAT(got, ElementsAre("127.0.0.1", "::1", "-"));
}

TEST(FakeHostTest, CountsAndReports) {
  FakeHost host(2);
  Probe probe(host);
  ASSERT_EQ(probe.instance.start(), GW_OK);
  std::array<gw_str, 1> labels = {str("kind")};
  gw_family family{sizeof(gw_family),
                   GW_COUNTER,
                   str("things_total"),
                   str("Things."),
                   labels.data(),
                   1,
                   0,
                   nullptr};
  for (Worker worker : probe.hooks.workers) {
    gw_cell* cell = worker.cell(family, {"good"});
    ASSERT_NE(cell, nullptr);
    EXPECT_EQ(cell, worker.cell(family, {"good"}));
    tables.metrics->add(cell, 2);
  }
  tables.metrics->add(probe.hooks.workers[0].cell(family, {"bad"}), 1);
  EXPECT_EQ(host.metric("things_total"), 5);
  EXPECT_EQ(host.metric("things_total", {{"kind", "good"}}), 4);
  family.type = GW_GAUGE;
  EXPECT_EQ(probe.hooks.workers[0].cell(family, {"good"}), nullptr);
  tables.metrics->add(nullptr, 1);

  const Context& context = *probe.hooks.context;
  context.health("redis", GW_DOWN, R"({"error":"gone"})");
  EXPECT_EQ(host.health("redis"), GW_DOWN);
  EXPECT_EQ(host.health_details("redis"), R"({"error":"gone"})");
  EXPECT_EQ(host.health("eureka"), 0);
  context.log(GW_WARN, "two\nlines");
  EXPECT_TRUE(host.logged("two\\x0alines"));
  EXPECT_EQ(context.wall_ms(), host.wall_ms());
}

TEST(FakeHostTest, StartsAndStopsInTheirTime) {
  FakeHost host;
  Probe probe(host);
  Timer timer;
  probe.hooks.start = [&](Context context, Worker worker) {
    timer.start(worker, 200, [context] { context.started(GW_ERROR, "no luck"); });
  };
  EXPECT_EQ(probe.instance.start(), GW_ERROR);
  EXPECT_EQ(probe.instance.start_message(), "no luck");
  Probe never(host);
  never.hooks.start = [](Context, Worker) {};
  EXPECT_EQ(never.instance.start(50), GW_TIMEOUT);
}

TEST(FakeHostTest, SeesBreaches) {
  FakeHost host(2);
  host.collect_breaches();
  {
    Probe probe(host);
    ASSERT_EQ(probe.instance.start(), GW_OK);
    gw_worker* worker = probe.hooks.workers[0].raw();
    gw_ticket* timer = tables.timer->start(
        worker, 10, 0, [](void*) {}, nullptr);
    tables.timer->cancel(timer);
    EXPECT_TRUE(host.breaches().empty());
    tables.timer->cancel(timer);
    EXPECT_THAT(host.breaches().back(), HasSubstr("dead"));
    tables.timer->cancel(nullptr);

    probe.hooks.context->post<probe::Filter::Part>(1, [worker](probe::Filter::Part&) {
      EXPECT_EQ(tables.timer->start(
                    worker, 10, 0, [](void*) {}, nullptr),
                nullptr);
    });
    host.run();
    EXPECT_THAT(host.breaches().back(), HasSubstr("belongs to worker 0"));
    std::thread([&] {
      tables.timer->start(
          worker, 10, 0, [](void*) {}, nullptr);
    }).join();
    EXPECT_THAT(host.breaches().back(), HasSubstr("thread"));
    tables.timer->start(
        worker, 10, 0, [](void*) {}, nullptr);
  }
  EXPECT_THAT(host.breaches().back(), HasSubstr("left 1 tickets behind"));
}

}  // namespace
}  // namespace gw::testing
