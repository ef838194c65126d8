// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_host.h"
#include "testing/probe_plugin.h"

namespace gw::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ExchangeTest : public ::testing::Test {
 protected:
  void start() {
    for (auto* probe : {&a, &b, &router}) ASSERT_EQ(probe->instance.start(), GW_OK);
    auto note = [this](const char* what) {
      return [this, what](gw::Exchange, void*&) {
        order.emplace_back(what);
        return GW_CONTINUE;
      };
    };
    auto completed = [this](const char* what) {
      return [this, what](gw::Exchange, void*&, const gw_outcome& outcome) {
        order.emplace_back(what);
        last = outcome;
        last_code = std::string(view(outcome.error_code));
      };
    };
    a.hooks.request_head = note("a>"), b.hooks.request_head = note("b>");
    a.hooks.response_head = note("<a"), b.hooks.response_head = note("<b"),
    router.hooks.response_head = note("<r");
    a.hooks.complete = completed("a!"), b.hooks.complete = completed("b!"),
    router.hooks.complete = completed("r!");
  }
  std::vector<Instance*> all() { return {&a.instance, &b.instance, &router.instance}; }

  FakeHost host;
  probe::Probe a{host, probe::kFilter, "a"}, b{host, probe::kFilter, "b"},
      router{host, probe::kRouter, "router"};
  std::vector<std::string> order;
  gw_outcome last{};
  std::string last_code;
};

TEST_F(ExchangeTest, PassesFiltersThereAndBack) {
  start();
  Exchange x(
      host, all(),
      {.method = "POST", .target = "/x?y=1", .headers = {{"X-A", "1"}}, .body = {"ab", "", "c"}},
      [](const UpstreamRequest& request) {
        EXPECT_EQ(request.path, "/x");
        EXPECT_EQ(request.query, "y=1");
        EXPECT_EQ(request.host, "127.0.0.1:1");
        EXPECT_EQ(request.header("x-a"), "1");
        EXPECT_EQ(request.header("Content-Length"), std::nullopt);
        return UpstreamAnswer{
            .status = 201, .headers = {{"X-B", "2"}}, .body = {request.body, "!"}};
      });
  ASSERT_TRUE(x.done());
  EXPECT_EQ(x.status(), 201u);
  EXPECT_EQ(x.body(), "abc!");
  EXPECT_EQ(x.header("x-b"), "2");
  EXPECT_THAT(order, ElementsAre("a>", "b>", "<r", "<b", "<a", "r!", "b!", "a!"));
  EXPECT_EQ(x.completions(), 2);
  EXPECT_EQ(last.request_body_bytes, 3u);
  EXPECT_EQ(last.response_body_bytes, 4u);
  EXPECT_EQ(last.aborted, 0);
}

TEST_F(ExchangeTest, LocalReplyIsSeenByEarlierFiltersOnly) {
  start();
  b.hooks.request_head = [](gw::Exchange x, void*&) { return x.reply(200, {{"X-C", "3"}}, "hi"); };
  Exchange x(host, all(), {});
  EXPECT_EQ(x.status(), 200u);
  EXPECT_EQ(x.body(), "hi");
  EXPECT_THAT(order, ElementsAre("a>", "<a", "b!", "a!"));
}

TEST_F(ExchangeTest, FailMakesTheEnvelope) {
  start();
  b.hooks.request_head = [](gw::Exchange x, void*&) { return x.fail(403, "NOT_IN_QUEUE", "no"); };
  Exchange x(host, all(), {.target = "/api/x", .attributes = {{"trace.id", "trace"}}});
  EXPECT_EQ(x.status(), 403u);
  EXPECT_EQ(x.error_code(), "NOT_IN_QUEUE");
  EXPECT_EQ(last_code, "NOT_IN_QUEUE");
  EXPECT_EQ(x.header("content-type"), "application/json");
  EXPECT_EQ(
      x.body(),
      R"({"success":false,"error":{"code":"NOT_IN_QUEUE","message":"no","status":403,"path":"/api/x"},)"
      R"("timestamp":"2026-01-01T00:00:00Z","traceId":"trace"})");
}

TEST_F(ExchangeTest, PausesUntilWoken) {
  start();
  gw_waker waker{};
  a.hooks.request_head = [&](gw::Exchange x, void*&) {
    waker = x.pause(1000);
    return GW_PAUSE;
  };
  a.hooks.resume = [](gw::Exchange x, void*&) { return x.reply(200, {}, "woken"); };
  Exchange x(host, all(), {});
  EXPECT_TRUE(x.paused());
  host.advance(500);
  EXPECT_TRUE(x.paused());
  gw::wake(waker);
  EXPECT_TRUE(x.paused());
  host.run();
  EXPECT_EQ(x.body(), "woken");
  gw::wake(waker);
  host.run();
  EXPECT_EQ(x.completions(), 1);
}

TEST_F(ExchangeTest, DeadlineFailsClosedOrOpen) {
  start();
  std::int32_t way = GW_FAIL_CLOSED;
  b.hooks.request_head = [&](gw::Exchange x, void*&) {
    x.pause(100, way);
    return GW_PAUSE;
  };
  Exchange closed(host, all(), {});
  host.advance(90);
  EXPECT_TRUE(closed.paused());
  host.advance(10);
  EXPECT_EQ(closed.status(), 503u);
  EXPECT_EQ(closed.error_code(), "SERVICE_UNAVAILABLE");
  way = GW_FAIL_OPEN;
  Exchange open(host, all(), {});
  host.advance(100);
  EXPECT_EQ(open.status(), 200u);
}

TEST_F(ExchangeTest, LeavingWhilePausedAborts) {
  start();
  gw_waker waker{};
  a.hooks.request_head = [&](gw::Exchange x, void*&) {
    waker = x.pause(1000);
    return GW_PAUSE;
  };
  Exchange x(host, all(), {});
  x.leave();
  EXPECT_TRUE(x.done());
  EXPECT_EQ(last.aborted, 1);
  EXPECT_EQ(last.status, 0u);
  gw::wake(waker);
  host.run();
  host.advance(2000);
  EXPECT_EQ(x.completions(), 1);
}

TEST_F(ExchangeTest, OffersAgainWhatABodyFilterLeft) {
  start();
  std::vector<std::string> seen;
  a.hooks.request_body = [&](gw::Exchange, void*&, std::string_view data, bool is_last,
                             std::uint64_t& consumed) {
    seen.emplace_back(std::string(data) + (is_last ? "." : ""));
    consumed = is_last ? data.size() : data.size() / 2;
    return GW_CONTINUE;
  };
  Exchange x(host, all(), {.method = "POST", .body = {"abcd", "ef"}},
             [](const UpstreamRequest& request) { return UpstreamAnswer{.body = {request.body}}; });
  EXPECT_EQ(x.body(), "abcdef");
  EXPECT_THAT(seen, ElementsAre("abcd", "cdef."));
}

TEST_F(ExchangeTest, BodyFilterMayPauseAndAnswer) {
  start();
  gw_waker waker{};
  std::vector<std::string> seen;
  b.hooks.request_body = [&](gw::Exchange x, void*&, std::string_view data, bool is_last,
                             std::uint64_t& consumed) {
    seen.emplace_back(std::string(data) + (is_last ? "." : ""));
    consumed = 1;
    if (seen.size() == 1) {
      waker = x.pause(1000);
      return Verdict{GW_PAUSE};
    }
    return x.reply(200, {}, "enough");
  };
  std::vector<std::int32_t> results;
  router.hooks.outcome = [&](const gw_attempt& attempt) { results.push_back(attempt.result); };
  Exchange x(host, all(), {.method = "POST", .body = {"abc"}});
  EXPECT_TRUE(x.paused());
  gw::wake(waker);
  host.run();
  EXPECT_EQ(x.body(), "enough");
  EXPECT_THAT(seen, ElementsAre("abc.", "bc."));
  EXPECT_THAT(results, ElementsAre(GW_ATTEMPT_ABANDONED));
  EXPECT_TRUE(x.upstream_requests().empty());
}

TEST_F(ExchangeTest, ResponseBodyPassesInReverse) {
  start();
  std::string seen;
  for (auto* probe : {&a, &b})
    probe->hooks.response_body = [&, probe](gw::Exchange, void*&, std::string_view data, bool,
                                            std::uint64_t& consumed) {
      seen += probe == &a ? "a" : "b";
      return probe::kAll(data, consumed);
    };
  Exchange x(host, all(), {}, [](const UpstreamRequest&) {
    return UpstreamAnswer{.body = {"1", "2"}};
  });
  EXPECT_EQ(seen, "baba");
  EXPECT_EQ(x.body(), "12");
}

TEST_F(ExchangeTest, RetriesWhatMayBeRepeated) {
  start();
  std::vector<std::int32_t> results;
  router.hooks.choose = [&](gw::Exchange, void*&, const gw_attempt* previous, gw_endpoint& out) {
    out.token = previous == nullptr ? 1 : previous->token + 1;
    out.address = str("10.0.0.1:80");
    return GW_CONTINUE;
  };
  router.hooks.outcome = [&](const gw_attempt& attempt) {
    EXPECT_EQ(attempt.number, attempt.token);
    results.push_back(attempt.result);
  };
  auto fails = [](std::int32_t failure) {
    return [failure](const UpstreamRequest&) { return UpstreamAnswer{.failure = failure}; };
  };
  Exchange broken(host, all(), {}, fails(GW_ATTEMPT_BROKEN));
  EXPECT_EQ(broken.status(), 502u);
  EXPECT_EQ(results.size(), 3u);
  results.clear();
  Exchange posted(host, all(), {.method = "POST"}, fails(GW_ATTEMPT_RESPONSE_TIMEOUT));
  EXPECT_EQ(posted.status(), 504u);
  EXPECT_THAT(results, ElementsAre(GW_ATTEMPT_RESPONSE_TIMEOUT));
  results.clear();
  int calls = 0;
  Exchange refused(host, all(), {.method = "POST"}, [&](const UpstreamRequest&) {
    return ++calls == 1 ? UpstreamAnswer{.failure = GW_ATTEMPT_REFUSED}
                        : UpstreamAnswer{.status = 204};
  });
  EXPECT_EQ(refused.status(), 204u);
  EXPECT_THAT(results, ElementsAre(GW_ATTEMPT_REFUSED, GW_ATTEMPT_ANSWERED));
}

TEST_F(ExchangeTest, RouterAndFilterMayReplaceTheAnswer) {
  start();
  router.hooks.choose = [](gw::Exchange x, void*&, const gw_attempt*, gw_endpoint&) {
    return x.fail(404, "ENDPOINT_NOT_FOUND");
  };
  Exchange local(host, all(), {});
  EXPECT_EQ(local.status(), 404u);
  EXPECT_THAT(order, ElementsAre("a>", "b>", "<b", "<a", "r!", "b!", "a!"));
  router.hooks.choose = {};
  b.hooks.response_head = [](gw::Exchange x, void*&) {
    EXPECT_EQ(x.header(GW_RESPONSE, "x-old"), "1");
    return x.reply(202, {}, "new");
  };
  Exchange replaced(host, all(), {}, [](const UpstreamRequest&) {
    return UpstreamAnswer{.headers = {{"X-Old", "1"}}, .body = {"old"}};
  });
  EXPECT_EQ(replaced.status(), 202u);
  EXPECT_EQ(replaced.body(), "new");
  EXPECT_EQ(replaced.header("x-old"), std::nullopt);
}

TEST_F(ExchangeTest, HeadersFollowTheRules) {
  start();
  a.hooks.request_head = [](gw::Exchange x, void*&) {
    EXPECT_EQ(x.set_header(GW_REQUEST, "Content-Length", "1"), GW_INVALID);
    EXPECT_EQ(x.set_header(GW_REQUEST, "X Y", "1"), GW_INVALID);
    EXPECT_EQ(x.set_header(GW_REQUEST, "X", "a\r\nb"), GW_INVALID);
    EXPECT_EQ(x.set_header(GW_RESPONSE, "X", "1"), GW_WRONG_STATE);
    EXPECT_EQ(x.set_header(GW_REQUEST, "X-Two", "1"), GW_OK);
    EXPECT_EQ(x.add_header(GW_REQUEST, "x-two", "2"), GW_OK);
    EXPECT_EQ(x.header(GW_REQUEST, "X-TWO", 1), "2");
    EXPECT_EQ(x.header(GW_REQUEST, "X-TWO", 2), std::nullopt);
    EXPECT_EQ(x.remove_header(GW_REQUEST, "X-tWO"), GW_OK);
    EXPECT_EQ(x.remove_header(GW_REQUEST, "X-tWO"), GW_NOT_FOUND);
    EXPECT_EQ(x.header_at(GW_REQUEST, 99), std::nullopt);
    EXPECT_EQ(x.set_target("/a/../b", ""), GW_INVALID);
    EXPECT_EQ(x.set_target("/b", "q"), GW_OK);
    EXPECT_EQ(x.path(), "/b");
    EXPECT_EQ(tables.exchange->alloc(x.raw(), 65537), nullptr);
    return GW_CONTINUE;
  };
  a.hooks.response_head = [](gw::Exchange x, void*&) {
    EXPECT_EQ(x.set_header(GW_REQUEST, "X", "1"), GW_WRONG_STATE);
    EXPECT_EQ(x.set_header(GW_RESPONSE, "X", "1"), GW_OK);
    EXPECT_EQ(tables.exchange->set_status(x.raw(), 600), GW_INVALID);
    EXPECT_EQ(tables.exchange->set_status(x.raw(), 299), GW_OK);
    return GW_CONTINUE;
  };
  Exchange x(host, all(), {});
  EXPECT_EQ(x.status(), 299u);
  EXPECT_EQ(x.header("x"), "1");
  EXPECT_EQ(x.upstream_requests().at(0).path, "/b");
}

TEST_F(ExchangeTest, RefusesAmbiguousTargets) {
  start();
  for (const char* target :
       {"/a//b", "/a/../b", "/a%2Fb", "/a;b", "/a\\b", "a", "/%zz", "/.", "/a/%2e%2e/b"}) {
    Exchange x(host, all(), {.target = target});
    EXPECT_EQ(x.status(), 400u) << target;
    EXPECT_EQ(x.completions(), 0) << target;
  }
}

struct Owner {
  gw_stream* stream = nullptr;
  int closed = 0, writable = 0, drained = 0;
};
const gw_stream_events kEvents = {
    sizeof(gw_stream_events),
    [](void* owner, std::int32_t reason) { static_cast<Owner*>(owner)->closed = reason; },
    [](void* owner) { ++static_cast<Owner*>(owner)->writable; },
    [](void* owner) { ++static_cast<Owner*>(owner)->drained; }};

TEST_F(ExchangeTest, StreamDetaches) {
  start();
  host.set_stream_cap(10);
  Owner owner;
  b.hooks.request_head = [&](gw::Exchange x, void*&) {
    owner.stream = x.begin_stream(200, {{"Content-Type", "text/event-stream"}}, &kEvents, &owner);
    EXPECT_EQ(tables.stream->write(owner.stream, str("one")), GW_OK);
    return GW_REPLIED;
  };
  Exchange x(host, all(), {});
  EXPECT_TRUE(x.done());
  EXPECT_TRUE(x.streaming());
  EXPECT_EQ(last.streaming, 1);
  EXPECT_THAT(order, ElementsAre("a>", "<a", "b!", "a!"));
  EXPECT_EQ(x.take_body(), "one");
  x.block(true);
  EXPECT_EQ(tables.stream->write(owner.stream, str("12345678")), GW_OK);
  EXPECT_EQ(tables.stream->write(owner.stream, str("123")), GW_LIMIT);
  EXPECT_EQ(x.body(), "");
  x.block(false);
  EXPECT_EQ(owner.writable, 1);
  EXPECT_EQ(x.take_body(), "12345678");
  x.drain();
  EXPECT_EQ(owner.drained, 1);
  tables.stream->end(owner.stream);
  EXPECT_TRUE(x.ended());
  EXPECT_FALSE(x.streaming());
  x.leave();
  EXPECT_EQ(owner.closed, 0);

  Exchange other(host, all(), {});
  other.leave();
  EXPECT_EQ(owner.closed, GW_STREAM_CLIENT_GONE);
}

TEST_F(ExchangeTest, SeesBreaches) {
  start();
  host.collect_breaches();
  auto breach = [&](probe::Hooks::Phase phase, std::uint32_t status) {
    a.hooks.request_head = std::move(phase);
    std::size_t before = host.breaches().size();
    Exchange x(host, all(), {});
    EXPECT_EQ(x.status(), status);
    EXPECT_GT(host.breaches().size(), before);
    return host.breaches().empty() ? "" : host.breaches().back();
  };
  EXPECT_THAT(breach([](auto, auto&) { return GW_PAUSE; }, 500),
              HasSubstr("without calling pause"));
  EXPECT_THAT(breach([](auto, auto&) { return GW_REPLIED; }, 500), HasSubstr("without an answer"));
  EXPECT_THAT(breach([](auto, auto&) { return 7; }, 500), HasSubstr("no verdict"));
  EXPECT_THAT(breach(
                  [](gw::Exchange x, auto&) {
                    x.reply(200, {}, "");
                    return GW_CONTINUE;
                  },
                  500),
              HasSubstr("answered"));
  EXPECT_THAT(breach(
                  [](gw::Exchange x, auto&) {
                    x.reply(200, {}, "first");
                    return x.reply(201, {}, "second");
                  },
                  500),
              HasSubstr("second answer"));
  gw_exchange* kept = nullptr;
  EXPECT_THAT(breach(
                  [&](gw::Exchange x, auto&) {
                    kept = x.raw();
                    return 3;
                  },
                  500),
              HasSubstr("no verdict"));
  gw::Exchange(kept).request();
  EXPECT_THAT(host.breaches().back(), HasSubstr("over for this filter"));
}

TEST_F(ExchangeTest, AttributesAndTexts) {
  start();
  a.hooks.request_head = [](gw::Exchange x, void*&) {
    std::uint32_t id = tables.attribute->intern("test.word"),
                  address = tables.attribute->intern("client.address");
    EXPECT_NE(id, 0u);
    EXPECT_EQ(x.attribute(id), std::nullopt);
    EXPECT_EQ(x.attribute(address), "127.0.0.1");
    EXPECT_EQ(x.set_attribute(id, "one"), GW_OK);
    auto one = x.attribute(id);
    EXPECT_EQ(x.set_attribute(id, "two"), GW_OK);
    EXPECT_EQ(one, "one");
    EXPECT_EQ(x.set_attribute(id, std::string(16385, 'x')), GW_LIMIT);
    EXPECT_EQ(x.text("greeting", "hello"), "hello");
    return GW_CONTINUE;
  };
  Exchange x(host, all(), {.attributes = {{"identity.subject", "alice"}}});
  EXPECT_EQ(x.attribute("test.word"), "two");
  EXPECT_EQ(x.attribute("identity.subject"), "alice");
  EXPECT_EQ(x.attribute("nothing"), std::nullopt);
}

}  // namespace
}  // namespace gw::testing
