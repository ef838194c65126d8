// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stream.h"

#include <gtest/gtest.h>

#include "pipeline/test_world.h"

namespace gw::pipeline {
namespace {

using namespace testing;

// b begins a stream, whose owner is this world.
struct StreamWorld : World {
  explicit StreamWorld(DispatcherOptions options = {}) : World(options) {
    b.head = [this](gw_exchange* x, void**) {
      const gw_header header = {str("Content-Type"), str("text/event-stream")};
      EXPECT_EQ(stream_api()->begin(x, 200, &header, 1, &kEvents, this, &stream), GW_OK);
      if (at_begin) at_begin(x);
      return gw_verdict{GW_REPLIED};
    };
  }
  gw_status write(std::string_view data) { return stream_api()->write(stream, str(data)); }
  static void on_closed(void* owner, std::int32_t reason) {
    static_cast<StreamWorld*>(owner)->events.push_back("closed:" + std::to_string(reason));
  }
  static void on_writable(void* owner) {
    static_cast<StreamWorld*>(owner)->events.push_back("writable");
  }
  static void on_drain(void* owner) {
    auto* world = static_cast<StreamWorld*>(owner);
    world->events.push_back("drain");
    if (world->at_drain) world->at_drain();
  }
  static constexpr gw_stream_events kEvents = {sizeof(gw_stream_events), on_closed, on_writable,
                                               on_drain};
  std::function<void(gw_exchange*)> at_begin;
  std::function<void()> at_drain;
  gw_stream* stream = nullptr;
};

TEST(Stream, DetachesTheExchange) {
  StreamWorld world;
  world.at_begin = [&](gw_exchange*) { EXPECT_EQ(world.write("first;"), GW_OK); };
  world.start();
  FakeTransaction& client = world.request();
  EXPECT_EQ(world.take_events(), "a:head b:head a:response b:complete a:complete");
  EXPECT_EQ(world.b.outcome.streaming, 1);
  EXPECT_EQ(world.b.outcome.status, 200u);
  EXPECT_EQ(client.framing, http::Framing::kChunked);
  EXPECT_EQ(client.field("Content-Type"), "text/event-stream");
  EXPECT_TRUE(client.detached);
  EXPECT_EQ(client.stream->written, "first;");
  EXPECT_EQ(world.dispatcher.open_exchanges(), 0u);
  EXPECT_EQ(world.dispatcher.open_streams(), 1u);
  EXPECT_EQ(world.b.use.streams, 1u);
  EXPECT_EQ(world.a.use.streams, 0u);  // pins nobody else
  EXPECT_EQ(world.write("second;"), GW_OK);
  stream_api()->end(world.stream);
  EXPECT_EQ(client.stream->written, "first;second;");
  EXPECT_TRUE(client.stream->ended);
  EXPECT_EQ(world.dispatcher.open_streams(), 0u);
  EXPECT_TRUE(world.b.use.idle());
  EXPECT_EQ(world.take_events(), "");  // no on_closed after end
}

TEST(Stream, TellsWhenThePartIsIdle) {
  StreamWorld world;
  int idle = 0;
  world.b.use.user = &idle;
  world.b.use.on_idle = [](void* user) { ++*static_cast<int*>(user); };
  world.start();
  world.request();
  EXPECT_EQ(idle, 0);
  stream_api()->end(world.stream);
  EXPECT_EQ(idle, 1);
}

TEST(Stream, EndedBeforeItsHeadLeft) {
  StreamWorld world;
  world.at_begin = [&](gw_exchange*) {
    world.write("all");
    stream_api()->end(world.stream);
  };
  world.start();
  FakeTransaction& client = world.request();
  EXPECT_EQ(client.stream->written, "all");
  EXPECT_TRUE(client.stream->ended);
  EXPECT_EQ(world.dispatcher.open_streams(), 0u);
}

TEST(Stream, LimitThenWritable) {
  StreamWorld world;
  world.start();
  FakeTransaction& client = world.request();
  world.take_events();
  client.stream->full = true;
  EXPECT_EQ(world.write("x"), GW_LIMIT);
  client.stream->full = false;
  client.stream->stream->on_writable();
  EXPECT_EQ(world.take_events(), "writable");
  client.stream->stream->on_writable();  // nobody waits
  EXPECT_EQ(world.take_events(), "");
  client.stream->gone = true;
  EXPECT_EQ(world.write("x"), GW_GONE);
  client.stream->stream->lost(GW_STREAM_CLIENT_GONE);
  EXPECT_EQ(world.take_events(), "closed:1");
  EXPECT_EQ(world.dispatcher.open_streams(), 0u);
}

TEST(Stream, BoundedBeforeItsHeadLeft) {
  DispatcherOptions options;
  options.stream_unsent_bytes = 42;  // 10 and their framing
  StreamWorld world(options);
  world.at_begin = [&](gw_exchange*) {
    EXPECT_EQ(world.write("12345678"), GW_OK);
    EXPECT_EQ(world.write("123"), GW_LIMIT);
    EXPECT_EQ(world.write(std::string(1000, 'x')), GW_LIMIT);
    EXPECT_EQ(world.write("90"), GW_OK);
  };
  world.start();
  FakeTransaction& client = world.request();
  EXPECT_EQ(client.stream->written, "1234567890");
  EXPECT_EQ(world.take_events(), "a:head b:head a:response b:complete a:complete writable");
}

TEST(Stream, WaitsWithTheFirstWritesForRoom) {
  StreamWorld world;
  world.at_begin = [&](gw_exchange*) { world.write("first"); };
  world.start();
  world.transactions.push_back(std::make_unique<FakeTransaction>(world.clock, RequestSpec{}));
  FakeTransaction& client = *world.transactions.back();
  client.stream->full = true;
  world.dispatcher.on_request(client);
  EXPECT_EQ(world.write("second"), GW_LIMIT);  // order is kept
  stream_api()->end(world.stream);
  EXPECT_FALSE(client.stream->ended);
  client.stream->full = false;
  client.stream->stream->on_writable();
  EXPECT_EQ(client.stream->written, "first");
  EXPECT_TRUE(client.stream->ended);
}

TEST(Stream, ReplacedByAnEarlierFilter) {
  StreamWorld world;
  world.a.response_head = [](gw_exchange* x, void**) { return reply(x, 403, "no"); };
  world.start();
  FakeTransaction& client = world.request();
  EXPECT_EQ(client.status, 403);
  EXPECT_EQ(client.body, "no");
  EXPECT_EQ(world.take_events(), "a:head b:head a:response closed:3 b:complete a:complete");
  EXPECT_TRUE(world.b.use.idle());
}

TEST(Stream, ReplacedByAnotherStream) {
  StreamWorld world;
  gw_stream* second = nullptr;
  world.a.response_head = [&](gw_exchange* x, void**) {
    EXPECT_EQ(stream_api()->begin(x, 202, nullptr, 0, &world.kEvents, &world, &second), GW_OK);
    EXPECT_EQ(stream_api()->write(second, str("second")), GW_OK);
    return gw_verdict{GW_REPLIED};
  };
  world.start();
  FakeTransaction& client = world.request();
  EXPECT_EQ(client.status, 202);
  EXPECT_EQ(client.stream->written, "second");
  EXPECT_EQ(world.take_events(), "a:head b:head a:response closed:3 b:complete a:complete");
  EXPECT_TRUE(world.b.use.idle());
  EXPECT_EQ(world.a.use.streams, 1u);
}

TEST(Stream, HeadRequestGetsTheHeadAlone) {
  StreamWorld world;
  world.start();
  FakeTransaction& client = world.request({.method = "HEAD"});
  EXPECT_EQ(client.status, 200);
  EXPECT_TRUE(client.finished);
  EXPECT_EQ(world.take_events(), "a:head b:head a:response b:complete a:complete closed:1");
}

TEST(Stream, BegunButNotAnswered) {
  StreamWorld world;
  auto begin = world.b.head;
  world.b.head = [&](gw_exchange* x, void** slot) {
    begin(x, slot);
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  FakeTransaction& client = world.request();
  EXPECT_EQ(client.status, 500);
  EXPECT_EQ(world.b.use.misuses, 1u);
  EXPECT_EQ(world.dispatcher.open_streams(), 0u);
  EXPECT_EQ(world.take_events(), "a:head b:head closed:3 a:response b:complete a:complete");
}

TEST(Stream, OutlivesItsGeneration) {
  StreamWorld world;
  world.start();
  FakeTransaction& client = world.request();
  int retired = 0;
  auto next = world.make_generation();
  next->on_retired = [&] { ++retired; };
  world.dispatcher.set_generation(std::move(next));
  world.scheduler.run();
  EXPECT_TRUE(world.dispatcher.retiring().empty());
  EXPECT_EQ(world.b.use.streams, 1u);
  EXPECT_EQ(world.write("still here"), GW_OK);
  EXPECT_EQ(client.stream->written, "still here");
}

TEST(Stream, DrainAsksAndOwnersMayEndAnyOfTheirs) {
  StreamWorld world;
  std::vector<gw_stream*> open;
  world.start();
  for (int i = 0; i < 4; ++i) {
    world.request();
    open.push_back(world.stream);
  }
  world.take_events();
  world.dispatcher.drain_streams(&world.a.use);
  EXPECT_EQ(world.take_events(), "");
  // The first that is asked ends all of them.
  world.at_drain = [&] {
    for (gw_stream* stream : open) stream_api()->end(stream);
    open.clear();
  };
  world.dispatcher.drain_streams(&world.b.use);
  EXPECT_EQ(world.take_events(), "drain");
  EXPECT_EQ(world.dispatcher.open_streams(), 0u);
}

TEST(Stream, ClosedByTheServer) {
  StreamWorld world;
  world.start();
  FakeTransaction& client = world.request();
  world.request();
  world.take_events();
  world.dispatcher.close_streams(nullptr);
  EXPECT_EQ(world.take_events(), "closed:3 closed:3");
  EXPECT_TRUE(client.stream->ended);
}

}  // namespace
}  // namespace gw::pipeline
