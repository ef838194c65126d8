// SPDX-License-Identifier: Apache-2.0
//
// The way to the upstream and back: bodies, backpressure, attempts.
#include <gtest/gtest.h>

#include <cstdint>

#include "pipeline/test_world.h"

namespace gw::pipeline {
namespace {

using namespace testing;
using Failure = http::UpstreamFailure;

const RequestSpec kPost = {.method = "POST", .framing = http::Framing::kChunked};

TEST(Forward, AsksForTheBodyOnlyWhenTheUpstreamTakesIt) {
  World world;
  world.start();
  FakeTransaction& client = world.request(kPost);
  EXPECT_FALSE(client.reading);
  world.call().connects();
  EXPECT_TRUE(client.reading);
  client.body_arrives("one", false);
  EXPECT_EQ(world.call().body, "one");
  world.call().blocked = true;
  client.body_arrives("two", false);
  EXPECT_EQ(world.call().body, "onetwo");
  EXPECT_FALSE(client.reading);
  world.call().blocked = false;
  world.call().sink->on_writable();
  EXPECT_TRUE(client.reading);
  client.body_arrives("", true);
  EXPECT_TRUE(world.call().body_finished);
  world.call().answers(200, "ok");
  EXPECT_EQ(client.body, "ok");
  EXPECT_EQ(world.a.outcome.request_body_bytes, 6u);
  EXPECT_FALSE(world.call().cancelled);
}

TEST(Forward, NoBodyIsNeverRead) {
  World world;
  world.start();
  FakeTransaction& client = world.request();
  world.call().connects();
  EXPECT_FALSE(client.reading);
  world.call().answers(204, "");
  EXPECT_TRUE(client.finished);
}

TEST(Forward, SlowClientPausesTheUpstream) {
  World world;
  world.start();
  FakeTransaction& client = world.request();
  world.call().answers_head(200);
  EXPECT_FALSE(world.call().paused);
  client.blocked = true;
  world.call().answers_body("much", false);
  EXPECT_TRUE(world.call().paused);
  client.becomes_writable();
  EXPECT_FALSE(world.call().paused);
  world.call().answers_body("", true);
  EXPECT_TRUE(client.finished);
}

TEST(Forward, EarlyAnswerEndsTheRequest) {
  World world;
  world.start();
  FakeTransaction& client = world.request(kPost);
  world.call().connects();
  client.body_arrives("some", false);
  world.call().answers_head(413);
  EXPECT_TRUE(client.reading);  // until the answer is whole the body goes on
  client.body_arrives("more", false);
  EXPECT_EQ(world.call().body, "somemore");
  world.call().sink->on_body("too large", true);
  EXPECT_TRUE(world.call().cancelled);
  EXPECT_TRUE(client.finished);
  EXPECT_EQ(client.status, 413);
  EXPECT_EQ(client.body, "too large");
}

TEST(Forward, UpstreamDyingInTheBodyBreaksTheClient) {
  World world;
  world.start();
  FakeTransaction& client = world.request();
  world.call().answers_head(200);
  world.call().answers_body("half", false);
  world.call().fails(Failure::kBroken, true);
  EXPECT_TRUE(client.aborted);
  EXPECT_FALSE(client.finished);
  EXPECT_EQ(world.a.outcome.aborted, 1);
  EXPECT_EQ(world.r.outcomes.size(), 1u);
  EXPECT_EQ(world.pool.calls.size(), 1u);
}

TEST(Forward, InformationalAnswersPass) {
  for (std::uint8_t minor : {1, 0}) {
    World world;
    world.start();
    FakeTransaction& client = world.request({.minor = minor});
    for (int status : {100, 103, 101}) {
      http::ResponseHead head(*world.call().arena);
      head.status = static_cast<std::uint16_t>(status);
      world.call().sink->on_informational(head);
    }
    world.call().answers(200, "");
    EXPECT_EQ(client.informational, minor == 1 ? std::vector<int>{103} : std::vector<int>{});
  }
}

TEST(Forward, AnswersUntilCloseBecomeChunked) {
  World world;
  world.start();
  FakeTransaction& client = world.request();
  world.call().answers_head(200, {}, http::Framing::kUntilClose);
  EXPECT_EQ(client.framing, http::Framing::kChunked);
}

TEST(Forward, NothingBodylessIsSent) {
  for (const char* method : {"HEAD", "GET"}) {
    World world;
    world.start();
    FakeTransaction& client = world.request({.method = method});
    const bool head = std::string(method) == "HEAD";
    world.call().answers(head ? 200 : 304, "surplus");
    EXPECT_EQ(client.body, "");
    EXPECT_TRUE(client.finished);
  }
}

// The client has its answer; its next request does not wait for what the service goes on to say.
TEST(Forward, BodyBehindABodylessAnswerIsNotWaitedFor) {
  World world;
  world.start();
  FakeTransaction& client = world.request();
  world.call().answers_head(205);
  EXPECT_EQ(client.status, 205);
  EXPECT_TRUE(client.finished);
  EXPECT_TRUE(world.call().cancelled);
  EXPECT_EQ(client.body, "");
}

// ---- The endpoint

TEST(Forward, UsesTheEndpointAsChosen) {
  struct Case {
    const char *address, *host;
    std::uint32_t flags;
    const char* sent;
  } const cases[] = {{"10.0.0.1:80", "", 0, "10.0.0.1:80"},
                     {"10.0.0.1:80", "svc.local", 0, "svc.local"},
                     {"unix:/run/x", "", 0, "localhost"},
                     {"10.0.0.1:80", "svc.local", GW_ENDPOINT_PRESERVE_HOST, "shop.example"}};
  for (const Case& test : cases) {
    World world;
    world.r.choose = [&](gw_exchange*, const gw_attempt*, gw_endpoint* out) {
      EXPECT_EQ(out->struct_size, sizeof(gw_endpoint));
      out->address = str(test.address);
      out->host = str(test.host);
      out->flags = test.flags;
      out->body_limit = 77;
      return gw_verdict{GW_CONTINUE};
    };
    world.start();
    FakeTransaction& client = world.request();
    EXPECT_EQ(world.call().address, test.address);
    EXPECT_EQ(world.call().host, test.sent);
    EXPECT_EQ(client.body_limit, 77u);
  }
}

TEST(Forward, RefusesWhatIsTooLargeBeforeConnecting) {
  World world;
  world.r.choose = [&](gw_exchange*, const gw_attempt*, gw_endpoint* out) {
    out->address = str("10.0.0.1:80");
    out->body_limit = 10;
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  FakeTransaction& client =
      world.request({.method = "POST", .framing = http::Framing::kLength, .content_length = 11});
  EXPECT_EQ(client.status, 413);
  EXPECT_EQ(client.noted_too_large, 1);
  EXPECT_TRUE(world.pool.calls.empty());
}

TEST(Forward, NeverSendsInTheClearWhatShouldBeTls) {
  World world;
  world.r.choose = [&](gw_exchange*, const gw_attempt*, gw_endpoint* out) {
    out->address = str("10.0.0.1:443");
    out->flags = GW_ENDPOINT_TLS;
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  EXPECT_EQ(world.request().status, 502);
  EXPECT_TRUE(world.pool.calls.empty());
  EXPECT_EQ(world.r.outcomes.size(), 3u);
}

TEST(Forward, EndpointWithoutAddressIsMisuse) {
  World world;
  world.r.choose = [](gw_exchange*, const gw_attempt*, gw_endpoint*) {
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  EXPECT_EQ(world.request().status, 500);
  EXPECT_EQ(world.r.use.misuses, 1u);
}

TEST(Forward, TargetIsMadeCanonicalAgain) {
  World world;
  world.r.choose = [](gw_exchange* x, const gw_attempt*, gw_endpoint* out) {
    const gw_exchange_api& api = *exchange_api();
    EXPECT_EQ(api.set_target(x, str("/a/../b"), str("")), GW_INVALID);
    EXPECT_EQ(api.set_target(x, str("/a//b"), str("")), GW_INVALID);
    EXPECT_EQ(api.set_target(x, str("a"), str("")), GW_INVALID);
    EXPECT_EQ(api.set_target(x, str("/ok"), str("a b\r\n")), GW_INVALID);
    gw_request request{};
    request.struct_size = sizeof request;
    api.request(x, &request);
    EXPECT_EQ(text(request.path), "/old");
    EXPECT_EQ(api.set_target(x, str("/new/%41"), str("q=1")), GW_OK);
    out->address = str("10.0.0.1:80");
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  world.request({.path = "/old"});
  EXPECT_EQ(world.call().path, "/new/A");
}

TEST(Forward, ErrorsNameThePathThatTheClientAskedFor) {
  World world;
  world.r.choose = [](gw_exchange* x, const gw_attempt*, gw_endpoint*) {
    EXPECT_EQ(exchange_api()->set_target(x, str("/inside"), str("")), GW_OK);
    exchange_api()->fail(x, 503, str("SERVICE_UNAVAILABLE"), str(""), nullptr, 0);
    return gw_verdict{GW_REPLIED};
  };
  world.start();
  FakeTransaction& client = world.request({.path = "/asked"});
  EXPECT_NE(client.body.find("\"path\":\"/asked\""), std::string::npos) << client.body;
}

// ---- Attempts

TEST(Forward, TellsWhenTheFirstAttemptWasMade) {
  World world;
  world.a.head = [&](gw_exchange*, void**) {
    world.clock.now_ms += 5;
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  world.request();
  world.clock.now_ms += 20;
  world.call().fails(Failure::kRefused);
  world.clock.now_ms += 20;
  world.call().answers(200, "ok");
  EXPECT_EQ(world.a.outcome.upstream_ns, 5'000'000u);
  EXPECT_EQ(world.a.outcome.duration_ns, 45'000'000u);
}

TEST(Forward, RepeatsOnlyWhatMayBeRepeated) {
  struct Case {
    const char* method;
    bool body;  // of it something was read already
    Failure failure;
    bool sent;
    int attempts;
    int status;
  } const cases[] = {
      {"GET", false, Failure::kRefused, false, 3, 502},
      {"GET", false, Failure::kConnectTimeout, false, 3, 504},
      {"GET", false, Failure::kBroken, true, 3, 502},
      {"GET", false, Failure::kResponseTimeout, true, 3, 504},
      {"GET", false, Failure::kBadAnswer, true, 3, 502},
      {"GET", false, Failure::kOverloaded, false, 3, 503},
      {"PUT", false, Failure::kBroken, true, 3, 502},
      {"POST", false, Failure::kRefused, false, 3, 502},
      {"POST", false, Failure::kConnectTimeout, false, 3, 504},
      {"POST", false, Failure::kBroken, true, 1, 502},
      {"POST", false, Failure::kResponseTimeout, true, 1, 504},
      {"PATCH", false, Failure::kBroken, true, 1, 502},
      {"PUT", true, Failure::kBroken, true, 1, 502},
      {"POST", true, Failure::kBroken, false, 1, 502},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(std::string(test.method) + (test.body ? " with body " : " ") +
                 std::to_string(static_cast<int>(test.failure)));
    World world;
    std::vector<gw_attempt> asked;
    world.r.choose = [&](gw_exchange*, const gw_attempt* previous, gw_endpoint* out) {
      if (previous != nullptr) asked.push_back(*previous);
      out->address = str("10.0.0.1:80");
      out->token = 40 + asked.size();
      return gw_verdict{GW_CONTINUE};
    };
    world.start();
    FakeTransaction& client =
        world.request({.method = test.method,
                       .framing = test.body ? http::Framing::kChunked : http::Framing::kNone});
    while (!client.over()) {
      if (test.body) {
        world.call().connects();
        client.body_arrives("x", false);
      }
      world.call().fails(test.failure, test.sent);
    }
    EXPECT_EQ(world.pool.calls.size(), static_cast<std::size_t>(test.attempts));
    EXPECT_EQ(world.dispatcher.metrics().attempts.value(), world.pool.calls.size());
    EXPECT_EQ(world.dispatcher.metrics().attempts_repeated.value(), world.pool.calls.size() - 1);
    EXPECT_EQ(client.status, test.status);
    EXPECT_EQ(client.field("Retry-After"), test.status == 503 ? "1" : "");
    ASSERT_EQ(world.r.outcomes.size(), static_cast<std::size_t>(test.attempts));
    for (std::size_t i = 0; i < world.r.outcomes.size(); ++i) {
      EXPECT_EQ(world.r.outcomes[i].number, i + 1);
      EXPECT_EQ(world.r.outcomes[i].result, static_cast<int>(test.failure));
      EXPECT_EQ(world.r.outcomes[i].token, 40 + i);
    }
    for (std::size_t i = 0; i < asked.size(); ++i) EXPECT_EQ(asked[i].number, i + 1);
  }
}

TEST(Forward, RouterMayStopRepeating) {
  World world;
  world.r.choose = [](gw_exchange* x, const gw_attempt* previous, gw_endpoint* out) {
    if (previous != nullptr) return reply(x, 503, "no more");
    out->address = str("10.0.0.1:80");
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  FakeTransaction& client = world.request();
  world.call().fails(Failure::kRefused);
  EXPECT_EQ(client.status, 503);
  EXPECT_EQ(client.body, "no more");
}

TEST(Forward, SecondAttemptServes) {
  World world;
  world.start();
  FakeTransaction& client = world.request(kPost);
  world.call().fails(Failure::kRefused);
  world.call().connects();
  client.body_arrives("all", true);
  EXPECT_EQ(world.call().body, "all");
  world.call().answers(200, "fine");
  EXPECT_EQ(client.body, "fine");
  EXPECT_EQ(world.take_events(),
            "a:head b:head c:head r:choose r:outcome r:choose r:outcome c:response b:response "
            "a:response r:complete c:complete b:complete a:complete");
}

TEST(Forward, StaleConnectionIsRepeatedOnceWithoutTheRouter) {
  for (const char* method : {"GET", "POST"}) {
    SCOPED_TRACE(method);
    World world;
    world.start(0);
    FakeTransaction& client = world.request({.method = method});
    const bool get = std::string(method) == "GET";
    world.call().fails(Failure::kBroken, true, true);
    EXPECT_EQ(world.pool.calls.size(), get ? 2u : 1u);
    if (!get) {
      EXPECT_EQ(client.status, 502);
      continue;
    }
    EXPECT_EQ(world.take_events(), "r:choose");
    world.call().fails(Failure::kBroken, true, true);  // not a second time
    EXPECT_EQ(world.take_events(), "r:outcome r:choose");
    world.call().answers(200, "");
    EXPECT_EQ(client.status, 200);
  }
}

// ---- Bodies through filters

TEST(Forward, BodyThatCannotBeReadOnIsAnsweredThroughTheFilters) {
  World world;
  world.start(2);
  FakeTransaction& client = world.request(kPost);
  world.call().connects();
  client.body_arrives("so far", false);
  world.take_events();
  EXPECT_TRUE(client.body_fails(413));
  EXPECT_EQ(world.take_events(),
            "r:outcome b:response a:response r:complete b:complete a:complete");
  EXPECT_EQ(client.status, 413);
  EXPECT_TRUE(client.finished);
  EXPECT_TRUE(world.call().cancelled);
  EXPECT_EQ(world.a.outcome.status, 413u);
  EXPECT_EQ(world.a.error_code, "PAYLOAD_TOO_LARGE");

  FakeTransaction& late = world.request(kPost);
  world.call().connects();
  world.call().answers_head(200);
  EXPECT_FALSE(late.body_fails(400));  // nothing can be answered any more
}

TEST(Forward, BodyFiltersHoldTheRequest) {
  World world;
  gw_waker waker{};
  std::string seen;
  world.b.body = [&](gw_exchange* x, std::string_view data, bool last, std::uint64_t* consumed) {
    seen = data;
    *consumed = data.size();
    if (!last) return gw_verdict{GW_CONTINUE};
    EXPECT_EQ(exchange_api()->pause(x, 100, GW_FAIL_CLOSED, &waker), GW_OK);
    return gw_verdict{GW_PAUSE};
  };
  world.start();
  FakeTransaction& client = world.request(kPost);
  world.call().connects();
  client.body_arrives("one", false);
  client.body_arrives("two", true);
  EXPECT_EQ(world.call().body, "one");
  EXPECT_FALSE(world.call().body_finished);
  exchange_api()->wake(waker);
  world.scheduler.run();
  EXPECT_EQ(world.call().body, "onetwo");
  EXPECT_TRUE(world.call().body_finished);
  world.call().answers(200, "");
  EXPECT_TRUE(client.finished);
}

TEST(Forward, BodyFilterRefusesAfterTheHeadWent) {
  World world;
  world.b.body = [&](gw_exchange* x, std::string_view, bool, std::uint64_t*) {
    return reply(x, 400, "bad body");
  };
  world.start();
  FakeTransaction& client = world.request(kPost);
  world.call().connects();
  world.take_events();
  client.body_arrives("one", false);
  EXPECT_EQ(client.status, 400);
  EXPECT_TRUE(client.finished);
  EXPECT_TRUE(world.call().cancelled);
  EXPECT_EQ(world.take_events(),
            "b:body r:outcome a:response r:complete c:complete b:complete a:complete");
  EXPECT_EQ(world.r.outcomes[0].result, GW_ATTEMPT_ABANDONED);
}

TEST(Forward, BodyFilterTooLateBreaksTheConnection) {
  World world;
  world.b.body = [&](gw_exchange* x, std::string_view, bool, std::uint64_t*) {
    EXPECT_EQ(exchange_api()->reply(x, 400, nullptr, 0, str("")), GW_WRONG_STATE);
    return gw_verdict{GW_REPLIED};
  };
  world.start();
  FakeTransaction& client = world.request(kPost);
  world.call().connects();
  world.call().answers_head(200);
  client.body_arrives("one", false);
  EXPECT_TRUE(client.aborted);
  EXPECT_EQ(world.b.use.misuses, 0u);
}

TEST(Forward, EmptyBodyIsDecidedBeforeTheUpstreamIsAsked) {
  World world;
  world.b.body = [&](gw_exchange* x, std::string_view data, bool last, std::uint64_t*) {
    EXPECT_TRUE(data.empty() && last);
    return reply(x, 400);
  };
  world.start();
  EXPECT_EQ(world.request().status, 400);
  EXPECT_TRUE(world.pool.calls.empty());
}

TEST(Forward, BodyWithoutRouterIsReadForTheFilter) {
  World world;
  std::string all;
  world.a.body = [&](gw_exchange* x, std::string_view data, bool last, std::uint64_t* consumed) {
    all += data;
    *consumed = data.size();
    return last ? reply(x, 200, all) : gw_verdict{GW_CONTINUE};
  };
  world.start(1, false);
  FakeTransaction& client = world.request(kPost);
  client.body_arrives("ab", false);
  client.body_arrives("cd", true);
  EXPECT_EQ(client.body, "abcd");
}

TEST(Forward, FilterThatHoldsTooMuchIsStopped) {
  World world;
  world.a.body = [&](gw_exchange*, std::string_view, bool, std::uint64_t*) {
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  FakeTransaction& client = world.request(kPost);
  world.call().connects();
  for (int i = 0; i < 64 && !client.over(); ++i) client.body_arrives(std::string(1024, 'x'), false);
  EXPECT_EQ(client.status, 500);
  EXPECT_EQ(world.a.use.misuses, 1u);
}

TEST(Forward, ResponseBodyFiltersHoldTheAnswer) {
  World world;
  gw_waker waker{};
  bool hold = true;
  auto pass = [](gw_exchange*, std::string_view data, bool, std::uint64_t* consumed) {
    *consumed = data.size();
    return gw_verdict{GW_CONTINUE};
  };
  world.a.response_body = pass;
  world.c.response_body = [&](gw_exchange* x, std::string_view data, bool,
                              std::uint64_t* consumed) {
    *consumed = data.size();
    if (!std::exchange(hold, false)) return gw_verdict{GW_CONTINUE};
    EXPECT_EQ(exchange_api()->reply(x, 200, nullptr, 0, str("")), GW_WRONG_STATE);
    EXPECT_EQ(exchange_api()->pause(x, 100, GW_FAIL_OPEN, &waker), GW_OK);
    return gw_verdict{GW_PAUSE};
  };
  world.start();
  FakeTransaction& client = world.request();
  world.call().answers_head(200);
  world.take_events();
  world.call().answers_body("one", false);
  EXPECT_EQ(client.body, "");
  EXPECT_TRUE(world.call().paused);
  world.scheduler.advance(100);  // fails open
  EXPECT_EQ(client.body, "one");
  EXPECT_FALSE(world.call().paused);
  world.call().answers_body("two", true);
  EXPECT_EQ(client.body, "onetwo");
  EXPECT_TRUE(client.finished);
  EXPECT_EQ(world.take_events(),
            "c:response_body a:response_body c:response_body a:response_body r:complete "
            "c:complete b:complete a:complete");
}

TEST(Forward, ResponseBodyFailingClosedBreaksTheConnection) {
  World world;
  world.a.response_body = [&](gw_exchange* x, std::string_view, bool, std::uint64_t*) {
    gw_waker waker{};
    EXPECT_EQ(exchange_api()->pause(x, 100, GW_FAIL_CLOSED, &waker), GW_OK);
    return gw_verdict{GW_PAUSE};
  };
  world.start();
  FakeTransaction& client = world.request();
  world.call().answers(200, "whole");
  EXPECT_FALSE(client.over());  // the upstream is done, the filter is not
  world.scheduler.advance(100);
  EXPECT_TRUE(client.aborted);
  EXPECT_EQ(world.a.completions, 1);
}

TEST(Forward, LocalBodiesPassTheBodyFiltersBeforeTheReplier) {
  World world;
  std::string seen;
  world.a.response_body = [&](gw_exchange*, std::string_view data, bool last,
                              std::uint64_t* consumed) {
    EXPECT_TRUE(last);
    seen = data;
    *consumed = data.size();
    return gw_verdict{GW_CONTINUE};
  };
  world.c.response_body = [&](gw_exchange*, std::string_view, bool, std::uint64_t*) {
    ADD_FAILURE() << "behind the replier";
    return gw_verdict{GW_CONTINUE};
  };
  const std::string large(100000, 'x');
  world.b.head = [&](gw_exchange* x, void**) { return reply(x, 200, large); };
  world.start();
  FakeTransaction& client = world.request();
  EXPECT_EQ(seen, large);
  EXPECT_EQ(client.body, large);
}

}  // namespace
}  // namespace gw::pipeline
