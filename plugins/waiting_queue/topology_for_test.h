// SPDX-License-Identifier: Apache-2.0
//
// What tests share that run Redis as it is run for real. For tests alone.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "gateway_for_test.h"

namespace gw::queue {

inline std::string text(std::uint16_t port) {
  return std::to_string(port);
}

class RedisTopology : public GatewayForTest {
 protected:
  void wait_up() {
    wait([&] { return host_.health("redis") == GW_UP; });
  }
  void expect_down(const std::string& store, const std::string& more, const char* reason) {
    SCOPED_TRACE(store);
    start(store, more);
    wait([&] { return host_.health("redis") == GW_DOWN; });
    EXPECT_THAT(host_.health_details("redis"), ::testing::HasSubstr(reason));
    instance_.reset();
  }
  // In a shell: what needs a program.
  static void shell(const std::string& command) {
    ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command;
  }
};

}  // namespace gw::queue
