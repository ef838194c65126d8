// SPDX-License-Identifier: Apache-2.0
//
// The whole filter over the fake host, before a router: what services and Zipkin receive.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <gateway/json.hpp>
#include <gateway/plugin.hpp>
#include <optional>
#include <string>

#include "testing/fake_host.h"
#include "testing/probe_plugin.h"

namespace gw::tracing {

using Json = nlohmann::json;
using testing::CallAnswer;
using testing::CallRequest;
using testing::RequestSpec;
using testing::UpstreamAnswer;
using testing::UpstreamRequest;

inline const std::string kTrace = "0af7651916cd43dd8448eb211c80319c";
inline const std::string kSpan = "b7ad6b7169203331";

class TracingPlugin : public ::testing::Test {
 protected:
  explicit TracingPlugin(std::uint32_t workers = 1)
      : host(workers), router(host, testing::probe::kRouter) {}

  void start(const std::string& config = "endpoint = 'http://zipkin:9411/api/v2/spans'") {
    host.on_call([this](const CallRequest&) { return zipkin; });
    tracing.emplace(host, gw_plugin_entry, config);
    ASSERT_TRUE(tracing->created()) << ::testing::PrintToString(tracing->complaints());
    ASSERT_EQ(tracing->start(), GW_OK);
    ASSERT_EQ(router.instance.start(), GW_OK);
  }
  // Sends one request through; what the service got.
  UpstreamRequest send(RequestSpec spec, UpstreamAnswer answer = {}) {
    std::optional<UpstreamRequest> seen;
    testing::Exchange x(host, {&*tracing, &router.instance}, std::move(spec),
                        [&](const UpstreamRequest& request) {
                          seen = request;
                          return answer;
                        });
    host.run();
    EXPECT_TRUE(x.done());
    EXPECT_TRUE(seen);
    return seen.value_or(UpstreamRequest());
  }
  // What came to Zipkin so far, after the time in which spans wait.
  std::vector<Json> spans() {
    host.advance(1100);
    std::vector<Json> all;
    for (const CallRequest& call : host.calls()) {
      const auto batch = parse_json(call.body);
      EXPECT_TRUE(batch && batch->is_array()) << call.body;
      for (const Json& span : batch.value_or(Json::array())) all.push_back(span);
    }
    return all;
  }
  Json span(const std::string& kind) {
    for (const Json& one : spans())
      if (one["kind"] == kind) return one;
    ADD_FAILURE() << "no span of kind " << kind;
    return {};
  }
  double count(const std::string& result) {
    return host.metric("gateway_trace_spans_total", {{"result", result}});
  }

  testing::FakeHost host;
  testing::probe::Probe router;
  std::optional<testing::Instance> tracing;
  std::optional<CallAnswer> zipkin = CallAnswer{.http_status = 202};
};

}  // namespace gw::tracing
