// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stream_moves.h"

#include <gtest/gtest.h>

#include <set>

#include "pipeline/stream.h"
#include "pipeline/test_world.h"

namespace gw::pipeline {
namespace {

using namespace testing;

// One side of a hand-over; owners are numbers.
struct Side {
  std::string blob = "blob";
  gw_status exports = GW_OK, adopts = GW_OK;
  std::function<void()> at_adopt;
  int asked = 0;
  std::set<std::uintptr_t> moved, closed;
  std::vector<gw_stream*> adopted;

  static Side& of(void* part) { return *static_cast<Side*>(part); }
  static gw_handover_api api() {
    gw_handover_api table{};
    table.struct_size = sizeof table;
    table.format = 3;
    table.export_stream = [](void* part, void*, const gw_sink* out) -> gw_status {
      Side& self = of(part);
      ++self.asked;
      if (self.exports != GW_OK) return self.exports;
      return out->write(out->user, str(self.blob));
    };
    table.adopt_stream = [](void* part, gw_stream* stream, std::uint32_t format, gw_str blob,
                            const gw_stream_events** events, void** owner) -> gw_status {
      Side& self = of(part);
      EXPECT_EQ(format, 3u);
      EXPECT_EQ(std::string_view(blob.ptr, blob.len), "blob");
      if (self.at_adopt) self.at_adopt();
      if (self.adopts != GW_OK) return self.adopts;
      static constexpr gw_stream_events kEvents = {
          sizeof(gw_stream_events),
          [](void* side, std::int32_t) { of(side).closed.insert(of(side).closed.size()); }, nullptr,
          nullptr};
      self.adopted.push_back(stream);
      *events = &kEvents;
      *owner = part;
      return GW_OK;
    };
    table.stream_moved = [](void* part, void* owner) {
      of(part).moved.insert(reinterpret_cast<std::uintptr_t>(owner));
    };
    return table;
  }
};

// b begins streams; c's place is taken by nobody: its use stands for b's successor.
struct MovesWorld : World {
  MovesWorld() {
    b.head = [this](gw_exchange* x, void**) {
      static constexpr gw_stream_events kEvents = {sizeof(gw_stream_events),
                                                   [](void*, std::int32_t) {}, nullptr, nullptr};
      EXPECT_EQ(stream_api()->begin(x, 200, nullptr, 0, &kEvents, reinterpret_cast<void*>(++begun),
                                    &stream),
                GW_OK);
      return gw_verdict{GW_REPLIED};
    };
    start(2, false);
  }
  ~MovesWorld() { dispatcher.close_streams(nullptr); }  // while the owners are there
  StreamMove move() { return {{&b.use, &old_side, &api}, {&c.use, &new_side, &api}}; }

  gw_handover_api api = Side::api();
  Side old_side, new_side;
  std::uintptr_t begun = 0;
  gw_stream* stream = nullptr;
};

TEST(StreamMoves, MovesSomeEachTurn) {
  MovesWorld world;
  constexpr std::size_t kAll = 3 * StreamMoves::kStreamsEachTurn + 10;
  for (std::size_t i = 0; i < kAll; ++i) world.request();
  StreamMoves moves;
  moves.add(world.move());
  PipelineMetrics metrics;
  std::vector<double> waited;
  const auto note = [&waited](double seconds) { waited.push_back(seconds); };
  for (std::size_t turn = 1; turn <= 3; ++turn) {
    EXPECT_TRUE(moves.step(world.stream, metrics, world.clock, note));
    EXPECT_EQ(world.c.use.streams, turn * StreamMoves::kStreamsEachTurn);
  }
  EXPECT_FALSE(moves.step(world.stream, metrics, world.clock, note));
  EXPECT_EQ(waited.size(), kAll);
  EXPECT_EQ(world.c.use.streams, kAll);
  EXPECT_EQ(world.old_side.moved.size(), kAll);
  EXPECT_EQ(metrics.streams_moved.value(), kAll);
  EXPECT_TRUE(world.b.use.idle());
}

TEST(StreamMoves, AStreamGoesOnWithItsNewOwner) {
  MovesWorld world;
  FakeTransaction& client = world.request();
  int idle = 0;
  world.b.use.user = &idle;
  world.b.use.on_idle = [](void* user) { ++*static_cast<int*>(user); };
  world.dispatcher.move_streams(world.move());
  world.scheduler.run();
  EXPECT_EQ(idle, 1);
  ASSERT_EQ(world.new_side.adopted.size(), 1u);
  EXPECT_EQ(stream_api()->write(world.new_side.adopted[0], str("still here")), GW_OK);
  EXPECT_EQ(client.stream->written, "still here");
  world.dispatcher.close_streams(&world.b.use);
  EXPECT_FALSE(client.stream->ended);
  world.dispatcher.close_streams(&world.c.use);
  EXPECT_EQ(world.new_side.closed.size(), 1u);
  EXPECT_TRUE(world.c.use.idle());
}

TEST(StreamMoves, WhatIsRefusedStaysAndIsAskedOnce) {
  for (const char* by : {"export", "adopt", "blob"}) {
    SCOPED_TRACE(by);
    MovesWorld world;
    world.request();
    if (by == std::string("export")) world.old_side.exports = GW_UNSUPPORTED;
    if (by == std::string("adopt")) world.new_side.adopts = GW_LIMIT;
    if (by == std::string("blob"))
      world.old_side.blob = std::string(StreamMoves::kMaxBlobBytes + 1, 'x');
    world.dispatcher.move_streams(world.move());
    world.scheduler.run();
    EXPECT_EQ(world.old_side.asked, 1);
    EXPECT_EQ(world.b.use.streams, 1u);
    EXPECT_EQ(world.dispatcher.metrics().streams_kept.value(), 1u);
    world.old_side.exports = world.new_side.adopts = GW_OK;
    world.old_side.blob = "blob";
    world.request();  // another one, which sets the walk going again
    world.scheduler.run();
    EXPECT_EQ(world.old_side.asked, 2);
    EXPECT_EQ(world.b.use.streams, 1u);
    EXPECT_EQ(world.c.use.streams, 1u);
  }
}

TEST(StreamMoves, AForgottenMoveMovesNothing) {
  MovesWorld world;
  world.dispatcher.move_streams(world.move());
  world.dispatcher.forget_moves(&world.c.use);
  world.request();
  world.scheduler.run();
  EXPECT_EQ(world.old_side.asked, 0);
  EXPECT_EQ(world.b.use.streams, 1u);
}

TEST(StreamMoves, StreamsMayEndWhileOthersMove) {
  MovesWorld world;
  std::vector<gw_stream*> all;
  for (std::size_t i = 0; i < 10; ++i) {
    world.request();
    all.push_back(world.stream);
  }
  // The one that is next in the walk goes while another is adopted.
  world.new_side.at_adopt = [&] {
    if (world.new_side.adopted.empty()) stream_api()->end(all[8]);
  };
  world.dispatcher.move_streams(world.move());
  world.scheduler.run();
  EXPECT_EQ(world.c.use.streams, 9u);
  EXPECT_TRUE(world.b.use.idle());
}

TEST(StreamMoves, AHandleThatIsOverIsRefusedAndCounted) {
  MovesWorld world;
  FakeTransaction& client = world.request();
  stream_api()->end(world.stream);
  EXPECT_EQ(stream_api()->write(world.stream, str("late")), GW_GONE);
  stream_api()->end(world.stream);
  EXPECT_EQ(client.stream->written, "");
  EXPECT_EQ(world.dispatcher.metrics().misuses.value(), 2u);
}

}  // namespace
}  // namespace gw::pipeline
