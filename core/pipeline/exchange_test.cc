// SPDX-License-Identifier: Apache-2.0
//
// The order in which filters, router and upstream are asked, and what becomes of nonsense.
#include "pipeline/exchange.h"

#include <gtest/gtest.h>

#include <thread>

#include "pipeline/test_world.h"

namespace gw::pipeline {
namespace {

using namespace testing;

TEST(Exchange, PassesFiltersInOrderAndAnswersInReverse) {
  World world;
  world.start();
  FakeTransaction& client = world.request({.path = "/api"});
  EXPECT_EQ(world.take_events(), "a:head b:head c:head r:choose");
  ASSERT_EQ(world.pool.calls.size(), 1u);
  EXPECT_EQ(world.call().address, "10.0.0.9:80");
  EXPECT_EQ(world.call().host, "10.0.0.9:80");
  EXPECT_EQ(world.call().path, "/api");
  world.clock.now_ms += 7;
  world.call().answers_head(201, {{"X-From", "upstream"}});
  EXPECT_EQ(world.take_events(), "r:outcome c:response b:response a:response");
  world.call().answers_body("hel", false);
  EXPECT_FALSE(client.finished);
  world.call().answers_body("lo", true);
  EXPECT_TRUE(client.finished);
  EXPECT_EQ(client.status, 201);
  EXPECT_EQ(client.field("x-from"), "upstream");
  EXPECT_EQ(client.body, "hello");
  EXPECT_EQ(world.take_events(), "r:complete c:complete b:complete a:complete");
  EXPECT_EQ(world.a.outcome.status, 201u);
  EXPECT_EQ(world.a.outcome.response_body_bytes, 5u);
  EXPECT_EQ(world.a.outcome.duration_ns, 7000000u);
  EXPECT_EQ(world.a.outcome.aborted, 0);
  ASSERT_EQ(world.r.outcomes.size(), 1u);
  EXPECT_EQ(world.r.outcomes[0].result, GW_ATTEMPT_ANSWERED);
  EXPECT_EQ(world.r.outcomes[0].status, 201u);
  EXPECT_EQ(world.r.outcomes[0].duration_ns, 7000000u);
  EXPECT_FALSE(world.call().cancelled);
}

// The dispatcher keeps exchanges for reuse, up to a number; the others are destroyed as they end.
TEST(Exchange, MoreAtOnceThanAreKept) {
  World world;
  world.start();
  constexpr std::size_t kMany = 1500;
  for (std::size_t i = 0; i < kMany; ++i) world.request();
  ASSERT_EQ(world.pool.calls.size(), kMany);
  for (FakeCall& call : world.pool.calls) call.answers(200, "");
  for (const auto& client : world.transactions) EXPECT_TRUE(client->finished);
  EXPECT_EQ(world.dispatcher.open_exchanges(), 0u);
}

TEST(Exchange, LocalAnswersPassTheFiltersBeforeTheReplier) {
  struct Case {
    int replier;
    const char* events;
  } const cases[] = {
      {0, "a:head a:complete"},
      {1, "a:head b:head a:response b:complete a:complete"},
      {2, "a:head b:head c:head b:response a:response c:complete b:complete a:complete"},
      {3,
       "a:head b:head c:head r:choose c:response b:response a:response r:complete c:complete "
       "b:complete a:complete"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.replier);
    World world;
    auto answer = [](gw_exchange* x) { return reply(x, 418, "short"); };
    world.plugins[test.replier].head = [&](gw_exchange* x, void**) { return answer(x); };
    world.r.choose = [&](gw_exchange* x, const gw_attempt*, gw_endpoint*) { return answer(x); };
    world.start();
    FakeTransaction& client = world.request();
    EXPECT_EQ(world.take_events(), test.events);
    EXPECT_EQ(client.status, 418);
    EXPECT_EQ(client.body, "short");
    EXPECT_EQ(client.framing, http::Framing::kLength);
    EXPECT_EQ(client.content_length, 5u);
    EXPECT_TRUE(client.finished);
    EXPECT_TRUE(world.pool.calls.empty());
  }
}

TEST(Exchange, ResponseFilterReplacesTheAnswer) {
  World world;
  world.b.response_head = [](gw_exchange* x, void**) {
    EXPECT_EQ(exchange_api()->status(x), 200u);
    return reply(x, 503, "sorry");
  };
  world.start();
  FakeTransaction& client = world.request();
  world.take_events();
  world.call().answers_head(200);
  EXPECT_EQ(world.take_events(),
            "r:outcome c:response b:response a:response r:complete c:complete b:complete "
            "a:complete");
  EXPECT_EQ(client.status, 503);
  EXPECT_EQ(client.body, "sorry");
  EXPECT_TRUE(world.call().cancelled);
  EXPECT_EQ(world.r.outcomes.size(), 1u);  // answered, not abandoned as well
}

TEST(Exchange, RouterSeesTheUpstreamsHeadFirst) {
  World world;
  world.r.response_head = [](gw_exchange* x, void**) {
    EXPECT_EQ(exchange_api()->set_status(x, 203), GW_OK);
    EXPECT_EQ(exchange_api()->header_set(x, GW_RESPONSE, str("X-Route"), str("r")), GW_OK);
    return gw_verdict{GW_CONTINUE};
  };
  world.start(1);
  FakeTransaction& client = world.request();
  world.call().answers(200, "");
  EXPECT_EQ(world.take_events(),
            "a:head r:choose r:outcome r:response a:response r:complete a:complete");
  EXPECT_EQ(client.status, 203);
  EXPECT_EQ(client.field("X-Route"), "r");
}

// A 304 says how long the body would be that does not come.
TEST(Exchange, LengthOfANotModifiedIsNoBodys) {
  for (const std::uint32_t status : {200u, 304u}) {
    World world;
    world.r.response_head = [status](gw_exchange* x, void**) {
      EXPECT_EQ(exchange_api()->set_status(x, status), GW_OK);
      return gw_verdict{GW_CONTINUE};
    };
    world.start();
    FakeTransaction& client = world.request();
    world.call().answers_head(304, {}, http::Framing::kLength, 100);
    EXPECT_EQ(client.status, static_cast<int>(status));
    EXPECT_EQ(client.content_length, status == 304 ? 100u : 0u);
  }
}

TEST(Exchange, NothingMatchesOrNobodyAnswersIs404) {
  World world;
  FakeTransaction& none = world.request({.path = "/none"});
  EXPECT_EQ(none.status, 404);
  EXPECT_NE(none.body.find("\"code\":\"ENDPOINT_NOT_FOUND\""), std::string::npos) << none.body;
  EXPECT_NE(none.body.find("\"path\":\"/none\""), std::string::npos) << none.body;
  EXPECT_EQ(none.field("Content-Type"), "application/json");
  EXPECT_EQ(world.dispatcher.metrics().unmatched.value(), 1u);
  world.start(1, false);
  EXPECT_EQ(world.request().status, 404);
  EXPECT_EQ(world.take_events(), "a:head a:response a:complete");
  EXPECT_EQ(world.a.error_code, "ENDPOINT_NOT_FOUND");
}

TEST(Exchange, ErrorsCarryTheEnvelope) {
  World world;
  world.a.head = [](gw_exchange* x, void**) {
    const gw_header header = {str("WWW-Authenticate"), str("Bearer")};
    EXPECT_EQ(exchange_api()->fail(x, 401, str("INVALID_TOKEN"), str("no \"good\""), &header, 1),
              GW_OK);
    return gw_verdict{GW_REPLIED};
  };
  world.start(1);
  FakeTransaction& client = world.request({.path = "/p"});
  EXPECT_EQ(client.status, 401);
  EXPECT_EQ(client.field("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(client.body,
            "{\"success\":false,\"error\":{\"code\":\"INVALID_TOKEN\",\"message\":\"no "
            "\\\"good\\\"\",\"status\":401,\"path\":\"/p\"},\"timestamp\":\"2026-01-01T00:00:01."
            "000Z\"}");
  EXPECT_EQ(world.a.error_code, "INVALID_TOKEN");
}

TEST(Exchange, AFilterNamesTheTraceOfErrors) {
  World world;
  world.a.head = [](gw_exchange* x, void**) {
    EXPECT_EQ(attribute_api()->set(x, attribute_api()->intern("trace.id"), str("trace-1")), GW_OK);
    return gw_verdict{GW_CONTINUE};
  };
  world.start(1, false);
  const FakeTransaction& client = world.request();
  EXPECT_EQ(client.status, 404);
  EXPECT_NE(client.body.find("\"traceId\":\"trace-1\""), std::string::npos) << client.body;
}

// Knows one key, in English for who asks for it.
class TwoTongues final : public TextSource {
 public:
  std::string_view text(std::string_view key, std::string_view accept_language,
                        std::string_view fallback) const override {
    if (key != "NOT_FOUND") return fallback;
    return accept_language == "en" ? "not there" : "없습니다.";
  }
};

TEST(Exchange, TextsComeFromTheCatalogueOfItsGeneration) {
  World world;
  world.a.head = [](gw_exchange* x, void**) {
    EXPECT_EQ(text(text_api()->get(x, "NOT_FOUND", str("mine"))), "not there");
    EXPECT_EQ(text(text_api()->get(x, "OTHER", str("mine"))), "mine");
    EXPECT_EQ(exchange_api()->fail(x, 404, str("NOT_FOUND"), str(""), nullptr, 0), GW_OK);
    return gw_verdict{GW_REPLIED};
  };
  auto generation = world.make_generation(1);
  generation->texts = std::make_shared<TwoTongues>();
  world.dispatcher.set_generation(std::move(generation));
  FakeTransaction& client = world.request({.fields = {{"Accept-Language", "en"}}});
  EXPECT_NE(client.body.find("\"message\":\"not there\""), std::string::npos) << client.body;
}

TEST(Exchange, HeadHasNoBody) {
  World world;
  world.a.head = [](gw_exchange* x, void**) { return reply(x, 200, "12345"); };
  world.start(1);
  FakeTransaction& client = world.request({.method = "HEAD"});
  EXPECT_EQ(client.content_length, 5u);
  EXPECT_EQ(client.body, "");
  EXPECT_TRUE(client.finished);
}

// ---- Nonsense

TEST(Exchange, NonsenseFailsTheExchangeAndIsCounted) {
  struct Case {
    const char* name;
    std::function<gw_verdict(gw_exchange*)> act;
  } const cases[] = {
      {"unknown verdict", [](gw_exchange*) { return gw_verdict{77}; }},
      {"negative verdict", [](gw_exchange*) { return gw_verdict{-1}; }},
      {"replied without an answer", [](gw_exchange*) { return gw_verdict{GW_REPLIED}; }},
      {"pause without a pause", [](gw_exchange*) { return gw_verdict{GW_PAUSE}; }},
      {"answer without replied",
       [](gw_exchange* x) {
         reply(x, 200, "secret");
         return gw_verdict{GW_CONTINUE};
       }},
      {"answer and pause",
       [](gw_exchange* x) {
         reply(x, 200, "secret");
         return gw_verdict{GW_PAUSE};
       }},
      {"refused answer",
       [](gw_exchange* x) {
         EXPECT_EQ(exchange_api()->reply(x, 42, nullptr, 0, str("")), GW_INVALID);
         return gw_verdict{GW_REPLIED};
       }},
      {"answers twice",
       [&](gw_exchange* x) {
         EXPECT_EQ(exchange_api()->reply(x, 200, nullptr, 0, str("secret")), GW_OK);
         EXPECT_EQ(exchange_api()->reply(x, 201, nullptr, 0, str("secret")), GW_WRONG_STATE);
         return gw_verdict{GW_REPLIED};
       }},
      {"fails after a stream",
       [&](gw_exchange* x) {
         static const gw_stream_events events = [] {
           gw_stream_events all{};
           all.struct_size = sizeof all;
           all.on_closed = [](void*, std::int32_t) {};
           return all;
         }();
         gw_stream* stream = nullptr;
         EXPECT_EQ(stream_api()->begin(x, 200, nullptr, 0, &events, nullptr, &stream), GW_OK);
         EXPECT_EQ(exchange_api()->fail(x, 400, str("X"), str("secret"), nullptr, 0),
                   GW_WRONG_STATE);
         return gw_verdict{GW_REPLIED};
       }},
  };
  for (const char* place : {"head", "choose", "response", "body", "resume"}) {
    for (const Case& test : cases) {
      SCOPED_TRACE(std::string(place) + ": " + test.name);
      const std::string where = place;
      World world;
      Plugin& culprit = where == "choose" ? world.r : world.b;
      if (where == "head") world.b.head = [&](gw_exchange* x, void**) { return test.act(x); };
      if (where == "choose")
        world.r.choose = [&](gw_exchange* x, const gw_attempt*, gw_endpoint*) {
          return test.act(x);
        };
      if (where == "response")
        world.b.response_head = [&](gw_exchange* x, void**) { return test.act(x); };
      if (where == "body")
        world.b.body = [&](gw_exchange* x, std::string_view, bool, std::uint64_t*) {
          return test.act(x);
        };
      gw_waker waker{};
      if (where == "resume") {
        world.b.head = [&](gw_exchange* x, void**) {
          EXPECT_EQ(exchange_api()->pause(x, 1000, GW_FAIL_CLOSED, &waker), GW_OK);
          return gw_verdict{GW_PAUSE};
        };
        world.b.resume = [&](gw_exchange* x, void**) { return test.act(x); };
      }
      world.start();
      FakeTransaction& client = world.request();
      if (where == "resume") {
        exchange_api()->wake(waker);
        world.scheduler.run();
      }
      if (where == "response") world.call().answers(200, "from upstream");
      EXPECT_EQ(client.status, 500);
      EXPECT_EQ(client.body.find("secret"), std::string::npos);
      EXPECT_TRUE(client.finished);
      EXPECT_EQ(culprit.use.misuses, 1u);
      EXPECT_EQ(world.a.completions, 1);
      EXPECT_EQ(world.b.completions, 1);
      EXPECT_EQ(world.a.error_code, "INTERNAL_SERVER_ERROR");
    }
  }
}

TEST(ExchangeDeathTest, MisuseMayAbort) {
  const auto misuse = [] {
    DispatcherOptions options;
    options.abort_on_misuse = true;
    World world(options);
    world.a.head = [](gw_exchange*, void**) { return gw_verdict{GW_REPLIED}; };
    world.start();
    world.request();
  };
  EXPECT_DEATH(misuse(), "a plugin broke the ABI");
}

TEST(ExchangeDeathTest, CallsFromAnotherThreadMayAbort) {
  const auto misuse = [](auto call) {
    DispatcherOptions options;
    options.abort_on_misuse = true;
    World world(options);
    world.a.head = [&](gw_exchange* x, void**) {
      call(x);  // of its own thread: allowed
      std::thread([&] { call(x); }).join();
      return gw_verdict{GW_CONTINUE};
    };
    world.start();
    world.request();
  };
  gw_request head{};
  head.struct_size = sizeof head;
  gw_str value{};
  EXPECT_DEATH(misuse([&](gw_exchange* x) { exchange_api()->request(x, &head); }), "broke the ABI");
  EXPECT_DEATH(misuse([&](gw_exchange* x) { attribute_api()->get(x, 1, &value); }),
               "broke the ABI");
  EXPECT_DEATH(misuse([&](gw_exchange* x) {
                 gw_stream* stream = nullptr;
                 static const gw_stream_events events{};
                 stream_api()->begin(x, 200, nullptr, 0, &events, nullptr, &stream);
               }),
               "broke the ABI");
}

TEST(Exchange, RefusesCallsOutOfTurn) {
  World world;
  gw_waker waker{};
  auto refused = [&](gw_exchange* x) {
    EXPECT_EQ(exchange_api()->reply(x, 200, nullptr, 0, str("")), GW_WRONG_STATE);
    EXPECT_EQ(exchange_api()->fail(x, 400, str("X"), str(""), nullptr, 0), GW_WRONG_STATE);
    EXPECT_EQ(exchange_api()->pause(x, 10, GW_FAIL_OPEN, &waker), GW_WRONG_STATE);
    gw_stream_events events{};
    gw_stream* stream = nullptr;
    EXPECT_EQ(stream_api()->begin(x, 200, nullptr, 0, &events, nullptr, &stream), GW_WRONG_STATE);
  };
  gw_exchange* exchange = nullptr;
  world.a.head = [&](gw_exchange* x, void**) {
    exchange = x;
    EXPECT_EQ(exchange_api()->set_status(x, 200), GW_WRONG_STATE);
    EXPECT_EQ(exchange_api()->header_set(x, GW_RESPONSE, str("A"), str("b")), GW_WRONG_STATE);
    EXPECT_EQ(exchange_api()->pause(x, 0, GW_FAIL_OPEN, &waker), GW_INVALID);
    EXPECT_EQ(exchange_api()->pause(x, 10, 9, &waker), GW_INVALID);
    return gw_verdict{GW_CONTINUE};
  };
  world.a.complete = [&](gw_exchange* x, const gw_outcome&) { refused(x); };
  world.start(1);
  world.request();
  refused(exchange);  // between callbacks
  EXPECT_EQ(exchange_api()->header_set(exchange, GW_REQUEST, str("A"), str("b")), GW_WRONG_STATE);
  world.call().answers(200, "");
  EXPECT_EQ(world.a.completions, 1);
}

// ---- Headers, memory, attributes

TEST(Exchange, ChecksAndCopiesHeaders) {
  World world;
  world.a.head = [](gw_exchange* x, void**) {
    const gw_exchange_api& api = *exchange_api();
    std::string name = "X-New", value = "one";
    EXPECT_EQ(api.header_set(x, GW_REQUEST, str(name), str(value)), GW_OK);
    name = value = "?????";  // the host must have copied
    EXPECT_EQ(api.header_add(x, GW_REQUEST, str("x-new"), str("two")), GW_OK);
    gw_str out{};
    EXPECT_EQ(api.header_get(x, GW_REQUEST, str("X-NEW"), 1, &out), GW_OK);
    EXPECT_EQ(text(out), "two");
    EXPECT_EQ(api.header_get(x, GW_REQUEST, str("X-NEW"), 2, &out), GW_NOT_FOUND);
    gw_header header{};
    EXPECT_EQ(api.header_at(x, GW_REQUEST, 0, &header), GW_OK);
    EXPECT_EQ(text(header.name), "Old");
    EXPECT_EQ(api.header_at(x, GW_REQUEST, 99, &header), GW_NOT_FOUND);
    EXPECT_EQ(api.header_at(x, GW_RESPONSE, 0, &header), GW_NOT_FOUND);
    EXPECT_EQ(api.header_remove(x, GW_REQUEST, str("oLD")), GW_OK);
    EXPECT_EQ(api.header_remove(x, GW_REQUEST, str("old")), GW_NOT_FOUND);
    for (const char* bad : {"a\r\nb", "a\nb", "a\x01"})
      EXPECT_EQ(api.header_set(x, GW_REQUEST, str("X"), str(bad)), GW_INVALID);
    EXPECT_EQ(api.header_set(x, GW_REQUEST, str("X"), str(std::string_view("a\0b", 3))),
              GW_INVALID);
    for (const char* bad : {"", "a b", "a:", "Content-Length", "transfer-encoding", "Host"})
      EXPECT_EQ(api.header_set(x, GW_REQUEST, str(bad), str("1")), GW_INVALID) << bad;
    EXPECT_EQ(api.header_set(x, GW_REQUEST, str("X"), str(std::string(20000, 'x'))), GW_LIMIT);
    return gw_verdict{GW_CONTINUE};
  };
  world.start(1);
  world.request({.fields = {{"Old", "1"}}});
  const std::vector<std::pair<std::string, std::string>> sent = {{"X-New", "one"},
                                                                 {"x-new", "two"}};
  EXPECT_EQ(world.call().fields, sent);
}

TEST(Exchange, TooManyHeadersIsALimitThatChangesNothing) {
  World world;
  world.a.head = [](gw_exchange* x, void**) {
    gw_status status = GW_OK;
    std::uint32_t added = 0;
    while ((status = exchange_api()->header_add(x, GW_REQUEST, str("N"), str("v"))) == GW_OK)
      ++added;
    EXPECT_EQ(status, GW_LIMIT);
    EXPECT_EQ(added, http::FieldList::kMost);
    EXPECT_EQ(exchange_api()->header_set(x, GW_REQUEST, str("Other"), str("v")), GW_LIMIT);
    gw_str out{};
    EXPECT_EQ(exchange_api()->header_get(x, GW_REQUEST, str("N"), 255, &out), GW_OK);
    return gw_verdict{GW_CONTINUE};
  };
  world.start(1);
  world.request();
}

TEST(Exchange, MemoryIsZeroedAndBounded) {
  World world;
  world.a.head = [](gw_exchange* x, void** slot) {
    EXPECT_EQ(*slot, nullptr);
    auto* bytes = static_cast<unsigned char*>(exchange_api()->alloc(x, 5000));
    for (int i = 0; i < 5000; ++i) EXPECT_EQ(bytes[i], 0);
    *slot = bytes;
    EXPECT_EQ(exchange_api()->alloc(x, 64 * 1024 + 1), nullptr);
    while (exchange_api()->alloc(x, 60000) != nullptr) {
    }
    while (exchange_api()->alloc(x, 1) != nullptr) {
    }
    return gw_verdict{GW_REPLIED};  // nonsense, with no memory left for an answer
  };
  world.start(1);
  FakeTransaction& client = world.request();
  EXPECT_EQ(client.status, 500);
  EXPECT_EQ(client.body, "");
  EXPECT_TRUE(client.finished);
}

TEST(Exchange, AttributesAndRequest) {
  World world;
  const std::uint32_t id = attribute_api()->intern("test.subject");
  EXPECT_NE(id, 0u);
  EXPECT_EQ(attribute_api()->intern("test.subject"), id);
  EXPECT_EQ(attribute_api()->intern(""), 0u);
  world.a.head = [&](gw_exchange* x, void**) {
    gw_str out{};
    EXPECT_EQ(attribute_api()->get(x, id, &out), GW_NOT_FOUND);
    std::string value = "alice";
    EXPECT_EQ(attribute_api()->set(x, id, str(value)), GW_OK);
    value = "-----";
    EXPECT_EQ(attribute_api()->set(x, id + 1000000, str("x")), GW_INVALID);
    EXPECT_EQ(attribute_api()->set(x, id, str(std::string(16385, 'x'))), GW_LIMIT);
    return gw_verdict{GW_CONTINUE};
  };
  world.b.head = [&](gw_exchange* x, void**) {
    gw_str out{};
    EXPECT_EQ(attribute_api()->get(x, id, &out), GW_OK);
    EXPECT_EQ(text(out), "alice");
    EXPECT_EQ(attribute_api()->set(x, id, str("")), GW_OK);
    EXPECT_EQ(attribute_api()->get(x, id, &out), GW_OK);
    EXPECT_EQ(out.len, 0u);
    EXPECT_EQ(attribute_api()->get(x, attribute_api()->intern("client.address"), &out), GW_OK);
    EXPECT_EQ(text(out), "10.0.0.7");
    EXPECT_EQ(attribute_api()->get(x, attribute_api()->intern("client.scheme"), &out), GW_OK);
    EXPECT_EQ(text(out), "http");
    struct {
      gw_request request;
      char guard[8];
    } short_one{};
    short_one.request.struct_size = offsetof(gw_request, query);
    exchange_api()->request(x, &short_one.request);
    EXPECT_EQ(text(short_one.request.path), "/q");
    EXPECT_EQ(short_one.request.query.ptr, nullptr);
    EXPECT_EQ(short_one.request.authority.ptr, nullptr);
    EXPECT_EQ(text(text_api()->get(x, "NO_SUCH", str("fallback"))), "fallback");
    return gw_verdict{GW_CONTINUE};
  };
  world.start(2);
  world.request({.path = "/q"});
}

// ---- Clients that leave

TEST(Exchange, ClientGoneAtAnyTimeCompletesOnce) {
  for (const char* when : {"upstream waits", "answer flows"}) {
    SCOPED_TRACE(when);
    World world;
    world.start();
    FakeTransaction& client = world.request();
    const bool flowing = std::string(when) == "answer flows";
    if (flowing) {
      world.call().answers_head(200);
      world.call().answers_body("part", false);
    }
    world.take_events();
    client.leaves();
    EXPECT_EQ(world.take_events(), std::string(flowing ? "" : "r:outcome ") +
                                       "r:complete c:complete b:complete a:complete");
    EXPECT_TRUE(world.call().cancelled);
    EXPECT_EQ(world.a.outcome.aborted, 1);
    EXPECT_EQ(world.a.outcome.status, flowing ? 200u : 0u);
    ASSERT_EQ(world.r.outcomes.size(), 1u);
    EXPECT_EQ(world.r.outcomes[0].result, flowing ? GW_ATTEMPT_ANSWERED : GW_ATTEMPT_ABANDONED);
  }
}

// ---- Generations

TEST(Dispatcher, OldGenerationLivesUntilItsLastExchangeIsGone) {
  World world;
  int retired = 0;
  auto first = world.make_generation();
  first->on_retired = [&] { ++retired; };
  world.dispatcher.set_generation(std::move(first));
  FakeTransaction& old_one = world.request();
  FakeCall& old_call = world.call();
  world.dispatcher.set_generation(world.make_generation(1));
  world.scheduler.run();
  EXPECT_EQ(retired, 0);
  ASSERT_EQ(world.dispatcher.retiring().size(), 1u);
  EXPECT_EQ(world.dispatcher.retiring()[0]->exchanges, 1u);
  world.take_events();
  world.request();
  EXPECT_EQ(world.take_events(), "a:head r:choose");  // the new chain
  old_call.answers(200, "");
  EXPECT_TRUE(old_one.finished);
  EXPECT_EQ(retired, 0);  // not inside the exchange's own calls
  world.scheduler.run();
  EXPECT_EQ(retired, 1);
  EXPECT_TRUE(world.dispatcher.retiring().empty());
}

TEST(Dispatcher, UnusedGenerationRetiresAtTheEndOfTheTurn) {
  World world;
  int retired = 0;
  auto first = world.make_generation();
  first->on_retired = [&] {
    ++retired;
    world.dispatcher.set_generation(world.make_generation());  // allowed there
  };
  world.dispatcher.set_generation(std::move(first));
  world.dispatcher.set_generation(nullptr);
  world.scheduler.run();
  EXPECT_EQ(retired, 1);
  EXPECT_EQ(world.dispatcher.generation()->number, 2u);
}

}  // namespace
}  // namespace gw::pipeline
