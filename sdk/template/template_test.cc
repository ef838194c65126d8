// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "testing/fake_host.h"

namespace {

using gw::testing::Exchange;
using gw::testing::FakeHost;
using gw::testing::Instance;

TEST(TemplateTest, AddsItsHeaderAndCounts) {
  FakeHost host(2);
  Instance hello(host, gw_plugin_entry, R"(value = "everybody")");
  ASSERT_EQ(hello.start(), GW_OK);
  for (std::uint32_t worker : {0u, 1u, 1u}) {
    Exchange exchange(host, {&hello}, {.target = "/any", .worker = worker});
    EXPECT_EQ(exchange.header("X-Hello"), "everybody");
  }
  EXPECT_EQ(host.metric("hello_answers_total"), 3);
}

TEST(TemplateTest, RefusesUnknownKeys) {
  FakeHost host;
  Instance hello(host, gw_plugin_entry, R"(valeu = "x")");
  EXPECT_FALSE(hello.created());
  EXPECT_EQ(hello.complaints().size(), 1u);
}

}  // namespace
