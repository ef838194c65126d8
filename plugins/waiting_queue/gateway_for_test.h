// SPDX-License-Identifier: Apache-2.0
//
// The plugin in the fake host with a real Redis, in real time. For tests alone.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <gateway/plugin.hpp>
#include <memory>
#include <string>
#include <vector>

#include "redis_server_for_test.h"
#include "testing/fake_host.h"

extern "C" const gw_plugin gw_plugin_entry;

namespace gw::queue {

class GatewayForTest : public ::testing::Test {
 protected:
  using FakeHost = testing::FakeHost;
  using RequestSpec = testing::RequestSpec;
  using Client = testing::Exchange;

  void SetUp() override {
    ASSERT_TRUE(RedisServer::installed()) << "not here: tools/setup.sh test";
  }
  void TearDown() override {
    if (HasFailure())
      for (const auto& line : host_.log()) std::printf("log: %s\n", line.text.c_str());
    clients_.clear();
    instance_.reset();
  }
  void start(const std::string& store, const std::string& more = "capacity = 1") {
    instance_ = std::make_unique<testing::Instance>(
        host_, gw_plugin_entry, "store = \"" + store + "\"\nreconnect_max = \"100ms\"\n" + more);
    ASSERT_TRUE(instance_->created()) << ::testing::PrintToString(instance_->complaints());
    ASSERT_EQ(instance_->start(), GW_OK);
  }
  void start(RedisServer& server, const std::string& more = "capacity = 1") {
    start("unix:" + server.socket(), more);
    wait([&] { return host_.health("redis") == GW_UP; });
  }
  void wait(const std::function<bool()>& done) { EXPECT_TRUE(host_.run_until(done, 20000)); }
  // `operation`: the id that a client sends again with a repeated call.
  Client& open(std::string method, std::string target, std::string user,
               std::string operation = {}) {
    RequestSpec spec;
    spec.method = std::move(method);
    spec.target = std::move(target);
    spec.attributes["identity.subject"] = std::move(user);
    if (!operation.empty()) spec.attributes["request.id"] = std::move(operation);
    clients_.push_back(
        std::make_unique<Client>(host_, std::vector<testing::Instance*>{instance_.get()}, spec));
    return *clients_.back();
  }
  Client& call(std::string method, std::string target, std::string user,
               std::string operation = {}) {
    Client& client =
        open(std::move(method), std::move(target), std::move(user), std::move(operation));
    wait([&] { return client.done(); });
    return client;
  }
  Client& line_up(std::string user, std::string operation = {}) {
    return call("POST", "/api/v1/queue/lineup", std::move(user), std::move(operation));
  }

  // How often the stream was sent this event.
  static int events(const Client& stream, const std::string& event) {
    int found = 0;
    const std::string body(stream.body());
    for (std::size_t at = 0; (at = body.find("event: " + event, at)) != body.npos; ++at) ++found;
    return found;
  }

  FakeHost host_;
  std::unique_ptr<testing::Instance> instance_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace gw::queue
