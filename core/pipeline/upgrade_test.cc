// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "pipeline/test_world.h"

namespace gw::pipeline {
namespace {

using namespace testing;

TEST(Upgrade, EndsTheExchangeAndJoinsTheSockets) {
  World world;
  world.b.response_head = [](gw_exchange* x, void**) {
    EXPECT_EQ(exchange_api()->status(x), 101u);
    EXPECT_EQ(exchange_api()->set_status(x, 200), GW_WRONG_STATE);
    EXPECT_EQ(exchange_api()->header_set(x, GW_RESPONSE, str("X-B"), str("b")), GW_OK);
    return gw_verdict{GW_CONTINUE};
  };
  world.b.response_body = [](gw_exchange*, std::string_view, bool, std::uint64_t*) {
    ADD_FAILURE() << "there is no body";
    return gw_verdict{GW_CONTINUE};
  };
  world.start();
  FakeTransaction& client = world.request();
  world.take_events();
  world.call().answers_head(101, {}, http::Framing::kNone);
  EXPECT_EQ(world.take_events(),
            "r:outcome c:response b:response a:response r:complete c:complete b:complete "
            "a:complete");
  EXPECT_EQ(client.status, 101);
  EXPECT_EQ(client.field("X-B"), "b");
  EXPECT_TRUE(client.tunnelled);
  EXPECT_TRUE(world.call().upgraded);
  EXPECT_EQ(world.b.outcome.status, 101u);
  EXPECT_EQ(world.b.outcome.streaming, 1);
  EXPECT_EQ(world.b.outcome.aborted, 0);
  EXPECT_EQ(world.dispatcher.open_exchanges(), 0u);
  EXPECT_TRUE(world.b.use.idle());  // it pins nobody
}

TEST(Upgrade, FilterSaysNo) {
  World world;
  world.b.response_head = [](gw_exchange* x, void**) { return reply(x, 403, "no"); };
  world.start();
  FakeTransaction& client = world.request();
  world.call().answers_head(101, {}, http::Framing::kNone);
  EXPECT_EQ(client.status, 403);
  EXPECT_EQ(client.body, "no");
  EXPECT_TRUE(client.finished);
  EXPECT_TRUE(world.call().cancelled);
}

}  // namespace
}  // namespace gw::pipeline
