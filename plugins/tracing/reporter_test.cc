// SPDX-License-Identifier: Apache-2.0
//
// The way to Zipkin: batches, outages, limits, the end; and the configuration.
#include "plugin_fixture_test.h"

namespace gw::tracing {
namespace {

TEST_F(TracingPlugin, AnOutageIsOneLineAndDropsWhatWaits) {
  start();
  zipkin = CallAnswer{.status = GW_ERROR, .error = "refused"};
  for (int i = 0; i < 3; ++i) {
    send({});
    host.advance(1100);
  }
  EXPECT_EQ(count("failed"), 6);
  zipkin = CallAnswer{.http_status = 500};
  send({});
  host.advance(1100);
  EXPECT_EQ(count("failed"), 8);
  zipkin = CallAnswer{.http_status = 202};
  send({});
  host.advance(1100);
  EXPECT_EQ(count("reported"), 2);
  int warned = 0, well = 0;
  for (const auto& line : host.log()) {
    warned += line.text.find("does not take spans") != std::string::npos;
    well += line.text.find("takes spans again") != std::string::npos;
  }
  EXPECT_EQ(warned, 1);
  EXPECT_EQ(well, 1);
}

TEST_F(TracingPlugin, WhatDoesNotFitIsDropped) {
  start("endpoint = 'http://zipkin/'\nmax_buffer = '16KiB'");
  zipkin.reset();  // never answers: the first batch is under way until its time is up
  send({});
  host.advance(1100);
  ASSERT_EQ(host.calls().size(), 1u);
  for (int i = 0; i < 100; ++i) send({});
  const double full = count("full");
  EXPECT_GT(full, 100);
  EXPECT_EQ(host.calls().size(), 1u);
  zipkin = CallAnswer{.http_status = 202};
  host.advance(12000);  // the call ends, the rest goes
  ASSERT_EQ(host.calls().size(), 2u);
  EXPECT_LE(host.calls()[1].body.size(), 16u * 1024);
  EXPECT_EQ(count("failed"), 2);
  EXPECT_EQ(count("reported"), 200 - full);
  EXPECT_TRUE(parse_json(host.calls()[1].body));
}

TEST_F(TracingPlugin, ManySpansDoNotWait) {
  start();
  for (int i = 0; i < 2000; ++i) send({});
  EXPECT_GE(host.calls().size(), 2u);
  EXPECT_GT(count("reported"), 0);
  EXPECT_EQ(count("full"), 0);
}

TEST_F(TracingPlugin, WithoutEndpointNothingIsReported) {
  start("endpoint = ''");
  EXPECT_TRUE(send({}).header("traceparent"));
  EXPECT_TRUE(spans().empty());
  EXPECT_EQ(host.live_tickets(), 0u);
}

TEST_F(TracingPlugin, BadConfigurationIsExplained) {
  for (const char* wrong : {"endpoint = 'zipkin:9411'", "probability = 1.5", "probability = -0.1",
                            "service = ''", "interval = 0"}) {
    testing::FakeHost other;
    testing::Instance instance(other, gw_plugin_entry, wrong);
    EXPECT_FALSE(instance.created()) << wrong;
    EXPECT_EQ(instance.complaints().size(), 1u) << wrong;
  }
}

TEST_F(TracingPlugin, TheEnvironmentDecides) {
  host.set_env("ZIPKIN_ENDPOINT", "http://10.1.1.1:9411/api/v2/spans");
  host.set_env("TRACING_PROBABILITY", "0.0");
  start("");
  send({});
  EXPECT_TRUE(spans().empty());
  send({.headers = {{"b3", "1"}}});
  EXPECT_EQ(spans().size(), 2u);
  EXPECT_EQ(host.calls().at(0).url, "http://10.1.1.1:9411/api/v2/spans");
}

struct TwoWorkers : TracingPlugin {
  TwoWorkers() : TracingPlugin(2) {}
};

TEST_F(TwoWorkers, AtTheEndEveryWorkersSpansAreSent) {
  start();
  send({.worker = 0});
  send({.worker = 1});
  EXPECT_TRUE(host.calls().empty());
  EXPECT_TRUE(tracing->stop());
  EXPECT_EQ(host.calls().size(), 2u);
  EXPECT_EQ(count("reported"), 4);
}

TEST_F(TwoWorkers, AZipkinThatHangsDelaysTheEndAMoment) {
  start();
  send({.worker = 1});
  zipkin.reset();
  EXPECT_TRUE(tracing->stop(4000));
}

}  // namespace
}  // namespace gw::tracing
