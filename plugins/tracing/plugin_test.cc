// SPDX-License-Identifier: Apache-2.0
//
// What the filter makes of requests.
#include <set>

#include "plugin_fixture_test.h"

namespace gw::tracing {
namespace {

TEST_F(TracingPlugin, ReportsServerAndClientSpan) {
  start();
  router.hooks.choose = [&](gw::Exchange, void*&, const gw_attempt*, gw_endpoint& out) {
    out.address = str("10.0.0.9:80");
    return GW_CONTINUE;
  };
  const auto seen =
      send({.method = "GET",
            .target = "/api/v1/products/7?secret=1",
            .attributes = {{"route.id", "products"}, {"route.uri", "lb://PRODUCT-SERVICE"}},
            .authority = "shop.example"});
  const Json server = span("SERVER"), client = span("CLIENT");
  EXPECT_EQ(spans().size(), 2u);
  EXPECT_EQ(server["name"], "http get");
  EXPECT_EQ(server["localEndpoint"], Json({{"serviceName", "gateway-server"}}));
  EXPECT_FALSE(server.contains("parentId"));
  EXPECT_FALSE(server.contains("debug"));
  EXPECT_EQ(server["tags"], Json({{"exception", "none"},
                                  {"http.url", "/api/v1/products/7"},
                                  {"method", "GET"},
                                  {"outcome", "SUCCESS"},
                                  {"status", "200"},
                                  {"uri", "UNKNOWN"}}));
  EXPECT_EQ(client["name"], "HTTP GET");
  EXPECT_EQ(client["traceId"], server["traceId"]);
  EXPECT_EQ(client["parentId"], server["id"]);
  EXPECT_EQ(client["tags"], Json({{"http.method", "GET"},
                                  {"http.status_code", "200"},
                                  {"http.uri", "http://shop.example/api/v1/products/7"},
                                  {"spring.cloud.gateway.route.id", "products"},
                                  {"spring.cloud.gateway.route.uri", "lb://PRODUCT-SERVICE"}}));
  EXPECT_EQ(seen.header("traceparent"), "00-" + server["traceId"].get<std::string>() + "-" +
                                            client["id"].get<std::string>() + "-01");
  const CallRequest& call = host.calls().at(0);
  EXPECT_EQ(call.method, "POST");
  EXPECT_EQ(call.url, "http://zipkin:9411/api/v2/spans");
  EXPECT_THAT(call.headers, ::testing::Contains(std::pair<std::string, std::string>("b3", "0")));
  EXPECT_THAT(call.headers, ::testing::Contains(std::pair<std::string, std::string>(
                                "Content-Type", "application/json")));
  EXPECT_EQ(count("reported"), 2);
}

TEST_F(TracingPlugin, TimesAreThoseOfTheExchange) {
  start();
  testing::probe::Probe slow(host);
  ASSERT_EQ(slow.instance.start(), GW_OK);
  gw_waker waker{};
  slow.hooks.request_head = [&](gw::Exchange x, void*&) {
    waker = x.pause(5000);
    return GW_PAUSE;
  };
  slow.hooks.request_body = [&](gw::Exchange x, void*&, std::string_view data, bool,
                                std::uint64_t& consumed) {
    consumed = data.size();
    waker = x.pause(5000);
    return GW_PAUSE;
  };
  const std::int64_t began_us = host.wall_ms() * 1000;
  testing::Exchange x(host, {&*tracing, &slow.instance, &router.instance},
                      {.method = "POST", .body = {"x"}});
  host.advance(30);
  wake(waker);
  host.run();
  host.advance(50);  // the endpoint is chosen, and the body is held back
  wake(waker);
  host.run();
  ASSERT_TRUE(x.done());
  const Json server = span("SERVER"), client = span("CLIENT");
  EXPECT_EQ(server["timestamp"], began_us);
  EXPECT_EQ(server["duration"], 80000);
  EXPECT_EQ(client["timestamp"], began_us + 30000);
  EXPECT_EQ(client["duration"], 50000);
}

TEST_F(TracingPlugin, GoesOnWithTheCallersTrace) {
  start();
  const auto seen = send({.headers = {{"Traceparent", "00-" + kTrace + "-" + kSpan + "-01"},
                                      {"tracestate", "vendor=1"},
                                      {"X-B3-TraceId", "463ac35c9f6413ad48485a3953bb6124"},
                                      {"X-Other", "kept"}}});
  const Json server = span("SERVER"), client = span("CLIENT");
  EXPECT_EQ(server["traceId"], kTrace);
  EXPECT_EQ(server["parentId"], kSpan);
  EXPECT_NE(server["id"], kSpan);
  EXPECT_EQ(client["parentId"], server["id"]);
  EXPECT_EQ(seen.header("traceparent"),
            "00-" + kTrace + "-" + client["id"].get<std::string>() + "-01");
  EXPECT_EQ(seen.header("tracestate"), std::nullopt);
  EXPECT_EQ(seen.header("x-b3-traceid"), std::nullopt);
  EXPECT_EQ(seen.header("x-other"), "kept");
}

TEST_F(TracingPlugin, WhatIsMalformedIsReplaced) {
  start();
  const auto seen = send({.headers = {{"traceparent", "00-" + kTrace + "-" + kSpan + "-01"},
                                      {"traceparent", "00-" + kTrace + "-" + kSpan + "-01"},
                                      {"b3", kTrace + "-\" or 1"},
                                      {"X-B3-Flags", "9"}}});
  const Json server = span("SERVER");
  EXPECT_NE(server["traceId"], kTrace);
  EXPECT_FALSE(server.contains("parentId"));
  std::size_t ours = 0;
  for (const auto& [name, value] : seen.headers) {
    EXPECT_NE(name, "b3");
    EXPECT_NE(name, "X-B3-Flags");
    if (name == "traceparent") ++ours;
  }
  EXPECT_EQ(ours, 1u);
}

TEST_F(TracingPlugin, ACallersDecisionStands) {
  start("endpoint = 'http://zipkin/'\nprobability = 1.0");
  const auto seen = send({.headers = {{"b3", kTrace + "-" + kSpan + "-0"}}});
  EXPECT_THAT(seen.header("traceparent").value_or(""), ::testing::StartsWith("00-" + kTrace + "-"));
  EXPECT_THAT(seen.header("traceparent").value_or(""), ::testing::EndsWith("-00"));
  EXPECT_NE(seen.header("traceparent")->substr(36, 16), kSpan);
  EXPECT_TRUE(spans().empty());
}

TEST_F(TracingPlugin, DebugIsPassedToZipkin) {
  start("endpoint = 'http://zipkin/'\nprobability = 0.0");
  send({.headers = {{"b3", kTrace + "-" + kSpan + "-d"}}});
  EXPECT_EQ(span("SERVER")["debug"], true);
  EXPECT_EQ(span("CLIENT")["debug"], true);
}

TEST_F(TracingPlugin, SamplesItsShare) {
  for (const auto& [probability, least, most] :
       {std::tuple{"0.0", 0, 0}, {"1.0", 400, 400}, {"0.25", 60, 140}}) {
    testing::FakeHost other;
    testing::Instance instance(other, gw_plugin_entry,
                               std::string("endpoint = ''\nprobability = ") + probability);
    testing::probe::Probe end(other, testing::probe::kRouter);
    ASSERT_EQ(instance.start(), GW_OK);
    ASSERT_EQ(end.instance.start(), GW_OK);
    int sampled = 0;
    std::set<std::string> traces;
    for (int i = 0; i < 400; ++i)
      testing::Exchange x(other, {&instance, &end.instance}, {},
                          [&](const UpstreamRequest& request) {
                            const auto sent = request.header("traceparent").value_or("");
                            sampled += sent.ends_with("-01");
                            traces.insert(sent.substr(3, 32));
                            return UpstreamAnswer();
                          });
    EXPECT_GE(sampled, least) << probability;
    EXPECT_LE(sampled, most) << probability;
    EXPECT_EQ(traces.size(), 400u);
    EXPECT_TRUE(other.calls().empty());
  }
}

TEST_F(TracingPlugin, WithoutJoinEveryRequestBeginsATrace) {
  start("endpoint = 'http://zipkin/'\njoin = false");
  const auto seen = send({.headers = {{"traceparent", "00-" + kTrace + "-" + kSpan + "-00"}}});
  EXPECT_NE(span("SERVER")["traceId"], kTrace);
  EXPECT_THAT(seen.header("traceparent").value_or(""), ::testing::EndsWith("-01"));
}

TEST_F(TracingPlugin, ErrorsCarryTheTracesId) {
  start();
  testing::Exchange none(host, {&*tracing}, {.target = "/none"});
  host.run();
  ASSERT_EQ(none.status(), 404u);
  const Json server = span("SERVER");
  EXPECT_EQ(parse_json(none.body()).value()["traceId"], server["traceId"]);
  EXPECT_EQ(server["tags"]["uri"], "NOT_FOUND");
  EXPECT_EQ(server["tags"]["outcome"], "CLIENT_ERROR");
  EXPECT_EQ(server["tags"]["exception"], "none");
  EXPECT_EQ(spans().size(), 1u);  // nobody was called
}

TEST_F(TracingPlugin, FailuresOfTheGatewayAreErrors) {
  start();
  send({}, {.failure = GW_ATTEMPT_BROKEN});
  const Json server = span("SERVER"), client = span("CLIENT");
  EXPECT_EQ(server["tags"]["exception"], "EXTERNAL_API_ERROR");
  EXPECT_EQ(server["tags"]["error"], "EXTERNAL_API_ERROR");
  EXPECT_EQ(server["tags"]["outcome"], "SERVER_ERROR");
  EXPECT_EQ(client["tags"]["error"], "EXTERNAL_API_ERROR");
  EXPECT_EQ(client["tags"]["http.status_code"], "UNKNOWN");
  EXPECT_EQ(client["tags"]["spring.cloud.gateway.route.id"], "UNKNOWN");
}

TEST_F(TracingPlugin, HostileTextStaysText) {
  start();
  send({.target = "/" + std::string(5000, 'a'),
        .attributes = {{"route.id", "a\"b\\c\n\xff\xed\x95\x9c"}}});
  EXPECT_EQ(span("SERVER")["tags"]["http.url"].get<std::string>().size(), 1024u);
  EXPECT_EQ(span("CLIENT")["tags"]["http.uri"].get<std::string>().size(), 1024u);
  EXPECT_EQ(span("CLIENT")["tags"]["spring.cloud.gateway.route.id"],
            "a\"b\\c\n\xef\xbf\xbd\xed\x95\x9c");
}

TEST_F(TracingPlugin, ClientsThatLeave) {
  start();
  testing::probe::Probe slow(host);
  ASSERT_EQ(slow.instance.start(), GW_OK);
  slow.hooks.request_head = [](gw::Exchange x, void*&) {
    x.pause(5000);
    return GW_PAUSE;
  };
  testing::Exchange x(host, {&*tracing, &slow.instance}, {});
  host.advance(20);
  x.leave();
  host.run();
  EXPECT_EQ(span("SERVER")["tags"]["status"], "UNKNOWN");
  EXPECT_EQ(span("SERVER")["tags"]["outcome"], "UNKNOWN");
}

TEST_F(TracingPlugin, StreamsEndTheirSpanWhenTheyDetach) {
  start();
  testing::probe::Probe stream(host);
  ASSERT_EQ(stream.instance.start(), GW_OK);
  static constexpr gw_stream_events kEvents = {sizeof(gw_stream_events), [](void*, std::int32_t) {},
                                               nullptr, nullptr};
  stream.hooks.request_head = [](gw::Exchange x, void*&) {
    EXPECT_NE(x.begin_stream(200, {{"Content-Type", "text/event-stream"}}, &kEvents, nullptr),
              nullptr);
    return GW_REPLIED;
  };
  testing::Exchange x(host, {&*tracing, &stream.instance}, {});
  host.run();
  ASSERT_TRUE(x.streaming());
  EXPECT_EQ(span("SERVER")["tags"]["status"], "200");
}

}  // namespace
}  // namespace gw::tracing
