// SPDX-License-Identifier: Apache-2.0
//
// The plugin as a whole on the fake host: routes and endpoints, and Eureka as a server would play
// it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <gateway/json.hpp>
#include <gateway/plugin.hpp>
#include <optional>
#include <set>

#include "testing/fake_host.h"

namespace gw::router {
namespace {

using ::testing::HasSubstr;
using testing::UpstreamAnswer;
using testing::UpstreamRequest;

constexpr const char* kConfig = R"(
fetch = false
register = false
default_filters = ["DedupeResponseHeader=X-Twice"]
services = [{ name = "SHOP", endpoints = ["127.0.0.1:9001", "127.0.0.1:9002"] }, { name = "EMPTY", endpoints = [] }]
routes = [
  { id = "docs", uri = "lb://SHOP", predicates = ["Path=/shop-service/v3/api-docs/**"], filters = ['RewritePath=/shop-service(?<segment>/?.*), $\{segment}'] },
  { id = "shop", uri = "lb://SHOP", predicates = ["Path=/api/v1/**", "Method=GET,POST"], metadata = { connect-timeout = 500, note = "x" } },
  { id = "empty", uri = "lb://EMPTY", predicates = ["Path=/empty"] },
  { id = "unknown", uri = "lb://UNKNOWN", predicates = ["Path=/unknown"] },
  { id = "direct", uri = "http://10.0.0.1:81/ignored", predicates = ["Path=/direct/{x}"], filters = ["SetPath=/to/{x}", "AddRequestHeader=X-Var, {x}", "PreserveHostHeader", "AddResponseHeader=X-Route, direct", "SetStatus=202"] },
  { id = "odd", uri = "unix:run/x.sock", predicates = ["Path=/odd/**"], filters = ["PrefixPath=/a//b"] },
  { id = "off", uri = "lb://SHOP", predicates = ["Path=/off"], enabled = false },
]
)";

class RouterPlugin : public ::testing::Test {
 protected:
  void start(const std::string& config = kConfig) {
    router.emplace(host, gw_plugin_entry, config);
    ASSERT_TRUE(router->created()) << (router->complaints().empty() ? "" : router->complaints()[0]);
    ASSERT_EQ(router->start(), GW_OK);
  }
  std::unique_ptr<testing::Exchange> ask(
      testing::RequestSpec spec,
      std::function<UpstreamAnswer(const UpstreamRequest&)> upstream = {}) {
    if (!upstream) upstream = [](const UpstreamRequest&) { return UpstreamAnswer(); };
    auto exchange = std::make_unique<testing::Exchange>(
        host, std::vector<testing::Instance*>{&*router}, std::move(spec), std::move(upstream));
    host.run();
    return exchange;
  }
  std::unique_ptr<testing::Exchange> get(const std::string& target) { return ask({"GET", target}); }

  testing::FakeHost host{2};
  std::optional<testing::Instance> router;
};

TEST_F(RouterPlugin, RoutesRewritesAndNamesTheRoute) {
  start();
  auto docs = get("/shop-service/v3/api-docs/x?y=1");
  ASSERT_EQ(docs->upstream_requests().size(), 1u);
  EXPECT_EQ(docs->upstream_requests()[0].path, "/v3/api-docs/x");
  EXPECT_EQ(docs->upstream_requests()[0].query, "y=1");
  EXPECT_EQ(docs->attribute("route.id"), "docs");
  EXPECT_EQ(docs->attribute("route.uri"), "lb://SHOP");

  std::set<std::string> addresses;
  for (int i = 0; i < 2; ++i) addresses.insert(get("/api/v1/x")->upstream_requests().at(0).address);
  EXPECT_EQ(addresses, (std::set<std::string>{"127.0.0.1:9001", "127.0.0.1:9002"}));

  auto direct = ask({"GET", "/direct/a1", {{"Host", "shop"}}}, [](const UpstreamRequest&) {
    UpstreamAnswer answer;
    answer.headers = {{"X-Twice", "1"}, {"X-Twice", "2"}};
    return answer;
  });
  EXPECT_EQ(direct->upstream_requests().at(0).address, "10.0.0.1:81");
  EXPECT_EQ(direct->upstream_requests().at(0).path, "/to/a1");
  EXPECT_EQ(direct->upstream_requests().at(0).header("x-var"), "a1");
  EXPECT_EQ(direct->upstream_requests().at(0).host, "localhost");
  EXPECT_EQ(direct->status(), 202u);
  EXPECT_EQ(direct->header("x-route"), "direct");
  EXPECT_EQ(direct->header("x-twice"), "1");
  EXPECT_EQ(std::count_if(direct->headers().begin(), direct->headers().end(),
                          [](const auto& header) { return header.first == "X-Twice"; }),
            1);
}

TEST_F(RouterPlugin, SaysWhyThereIsNoEndpoint) {
  start();
  struct {
    const char* method;
    const char* target;
    std::uint32_t status;
    const char* code;
  } cases[] = {{"GET", "/nothing", 404, "ENDPOINT_NOT_FOUND"},
               {"PUT", "/api/v1/x", 404, "ENDPOINT_NOT_FOUND"},
               {"GET", "/off", 404, "ENDPOINT_NOT_FOUND"},
               {"GET", "/empty", 503, "SERVICE_UNAVAILABLE"},
               {"GET", "/unknown", 503, "SERVICE_UNAVAILABLE"},
               {"GET", "/odd/x", 400, "BAD_REQUEST"}};
  for (const auto& expected : cases) {
    auto exchange = ask({expected.method, expected.target});
    EXPECT_EQ(exchange->status(), expected.status) << expected.target;
    EXPECT_EQ(exchange->error_code(), expected.code) << expected.target;
    EXPECT_TRUE(exchange->upstream_requests().empty());
  }
}

TEST_F(RouterPlugin, AFailedAttemptGoesToAnotherInstance) {
  start();
  std::string dead = "127.0.0.1:9001";
  auto half_dead = [&](const UpstreamRequest& request) {
    UpstreamAnswer answer;
    if (request.address == dead) answer.failure = GW_ATTEMPT_REFUSED;
    return answer;
  };
  for (int i = 0; i < 6; ++i) EXPECT_EQ(ask({"GET", "/api/v1/x"}, half_dead)->status(), 200u);
  EXPECT_EQ(
      host.metric("gateway_upstream_attempts_total", {{"service", "shop"}, {"result", "answered"}}),
      6);
  // The dead one was met once, then passed over for a while.
  EXPECT_EQ(
      host.metric("gateway_upstream_attempts_total", {{"service", "shop"}, {"result", "refused"}}),
      1);

  auto failing = [](std::int32_t failure) {
    return [failure](const UpstreamRequest&) {
      UpstreamAnswer answer;
      answer.failure = failure;
      return answer;
    };
  };
  auto refused = ask({"GET", "/api/v1/x"}, failing(GW_ATTEMPT_REFUSED));
  EXPECT_EQ(refused->upstream_requests().size(), 2u);
  EXPECT_EQ(refused->status(), 502u);
  EXPECT_EQ(refused->error_code(), "EXTERNAL_API_ERROR");
  auto late = ask({"GET", "/api/v1/x"}, failing(GW_ATTEMPT_RESPONSE_TIMEOUT));
  EXPECT_EQ(late->status(), 504u);
  EXPECT_EQ(late->error_code(), "EXTERNAL_API_TIMEOUT");
  auto direct = ask({"GET", "/direct/a"}, failing(GW_ATTEMPT_REFUSED));
  EXPECT_EQ(direct->status(), 502u);
  EXPECT_FALSE(
      direct->header("x-route").has_value());  // route filters are for answers of the service
}

TEST_F(RouterPlugin, ShowsItsRoutes) {
  start();
  auto all = parse_json(get("/actuator/gateway/routes")->body());
  ASSERT_TRUE(all.has_value());
  ASSERT_EQ(all->size(), 6u);
  EXPECT_EQ((*all)[1]["route_id"], "shop");
  EXPECT_EQ((*all)[1]["uri"], "lb://SHOP");
  EXPECT_EQ((*all)[1]["order"], 0);
  EXPECT_EQ((*all)[1]["predicate"],
            "(Paths: [/api/v1/**], match trailing slash: true && Methods: [GET, POST])");
  EXPECT_EQ((*all)[1]["metadata"]["connect-timeout"], "500");
  EXPECT_EQ((*all)[0]["filters"][0], "[[DedupeResponseHeader X-Twice = RETAIN_FIRST], order = 1]");
  EXPECT_EQ((*all)[0]["filters"][1],
            "[[RewritePath /shop-service(?<segment>/?.*) = '$\\{segment}'], order = 1]");
  EXPECT_EQ(parse_json(get("/actuator/gateway/routes/direct")->body())->at("route_id"), "direct");
  EXPECT_EQ(get("/actuator/gateway/routes/none")->status(), 404u);
  EXPECT_EQ(get("/actuator/gateway/globalfilters")->status(), 404u);
  EXPECT_EQ(ask({"DELETE", "/actuator/gateway/routes/shop"})->status(), 405u);
  EXPECT_EQ(host.metric("spring_cloud_gateway_routes_count"), 6);
}

TEST_F(RouterPlugin, WrongConfigurationIsNamedWhole) {
  testing::Instance wrong(host, gw_plugin_entry, R"(
eureka_urls = ["ftp://x"]
services = [{ name = "a", endpoints = ["nowhere", "https://secret:443"] }]
routes = [
  { id = "s", uri = "https://secure.example" },
  { id = "a", uri = "nope" },
  { id = "b", uri = "lb://B", predicates = ["Pfad=/a"] },
  { id = "b", uri = "lb://B", filters = ["Retry=3"] },
]
)");
  EXPECT_FALSE(wrong.created());
  std::string all;
  for (const std::string& line : wrong.complaints()) all += line + "\n";
  for (const char* part :
       {"ftp://x", "nowhere", "nope", "https://secret:443': the gateway does not speak TLS",
        "secure.example': the gateway does not speak TLS", "Pfad", "'b' already", "Retry"})
    EXPECT_THAT(all, HasSubstr(part));
}

// A Eureka server, as far as the plugin sees it.
class WithEureka : public RouterPlugin {
 protected:
  void SetUp() override {
    host.on_call([this](const testing::CallRequest& call) { return answer(call); });
  }
  void TearDown() override { router.reset(); }  // it signs off, while the server is still there
  std::optional<testing::CallAnswer> answer(const testing::CallRequest& call) {
    std::string path = call.url.substr(call.url.find("/eureka/") + 8);
    std::string server = call.url.substr(0, call.url.find("/eureka/"));
    asked.push_back(call.method + " " + server + " " + path);
    if (down.contains(server) || down.contains("*"))
      return testing::CallAnswer{GW_ERROR, 0, "", "refused", {}};
    if (call.method == "GET" && path == "apps/")
      return testing::CallAnswer{GW_OK, 200, full, "", {}};
    if (call.method == "GET" && path == "apps/delta")
      return testing::CallAnswer{GW_OK, delta_status, delta, "", {}};
    if (call.method == "POST") {
      registered = true;
      return testing::CallAnswer{GW_OK, 204, "", "", {}};
    }
    if (call.method == "PUT")
      return testing::CallAnswer{GW_OK, registered ? 200u : 404u, "", "", {}};
    if (call.method == "DELETE") registered = false;
    return testing::CallAnswer{GW_OK, 200, self, "", {}};
  }
  static std::string registry(std::vector<int> ports, const std::string& hash,
                              const std::string& action = "ADDED") {
    nlohmann::json instances = nlohmann::json::array();
    for (int port : ports)
      instances.push_back({{"instanceId", "i" + std::to_string(port)},
                           {"hostName", "127.0.0.1"},
                           {"status", "UP"},
                           {"port", {{"$", port}, {"@enabled", "true"}}},
                           {"vipAddress", "auth-service"},
                           {"actionType", action}});
    return nlohmann::json{
        {"applications",
         {{"apps__hashcode", hash},
          {"application", {{{"name", "AUTH-SERVICE"}, {"instance", instances}}}}}}}
        .dump();
  }
  std::size_t count(const std::string& line) {
    return static_cast<std::size_t>(std::count(asked.begin(), asked.end(), line));
  }

  std::string full = registry({9001}, "UP_1_"), delta = registry({}, "UP_1_"), self = "{}";
  std::uint32_t delta_status = 200;
  bool registered = false;
  std::set<std::string> down;
  std::vector<std::string> asked;
  std::string config = R"(
eureka_urls = "http://e1/eureka,http://e2/eureka/"
hostname = "gw.example"
ip_address = "10.0.0.5"
discovery_locator = true
routes = [{ id = "auth", uri = "lb://AUTH-SERVICE", predicates = ["Path=/api/v1/auth/**"] }]
)";
};

TEST_F(WithEureka, FetchesRegistersAndLeaves) {
  start(config);
  EXPECT_EQ(get("/api/v1/auth/login")->upstream_requests().at(0).address, "127.0.0.1:9001");
  testing::RequestSpec other{"GET", "/api/v1/auth/login"};
  other.worker = 1;
  EXPECT_EQ(ask(other)->upstream_requests().at(0).address, "127.0.0.1:9001");
  auto located = get("/auth-service/x");
  EXPECT_EQ(located->upstream_requests().at(0).path, "/x");
  EXPECT_EQ(located->attribute("route.id"), "ReactiveCompositeDiscoveryClient_AUTH-SERVICE");
  EXPECT_EQ(located->attribute("route.uri"), "lb://auth-service");
  EXPECT_EQ(parse_json(get("/actuator/gateway/routes")->body())->size(), 2u);
  EXPECT_EQ(host.metric("spring_cloud_gateway_routes_count"), 2);
  EXPECT_EQ(host.metric("gateway_registry_instances"), 1);
  EXPECT_EQ(host.health("discoveryComposite"), GW_UP);
  EXPECT_TRUE(registered);
  EXPECT_EQ(count("POST http://e1 apps/GATEWAY-SERVER"), 1u);

  delta = registry({9002}, "UP_2_");
  host.advance(31000);
  EXPECT_EQ(count("GET http://e1 apps/"), 1u);
  EXPECT_EQ(count("GET http://e1 apps/delta"), 1u);
  std::set<std::string> addresses;
  for (int i = 0; i < 2; ++i)
    addresses.insert(get("/api/v1/auth/x")->upstream_requests().at(0).address);
  EXPECT_EQ(addresses.size(), 2u);
  EXPECT_THAT(
      asked,
      ::testing::Contains(HasSubstr(
          "PUT http://e1 "
          "apps/GATEWAY-SERVER/gw.example:gateway-server:8080?status=UP&lastDirtyTimestamp=")));

  registered = false;  // the server forgot: the next heartbeat registers anew
  host.advance(31000);
  EXPECT_TRUE(registered);
  EXPECT_TRUE(router->stop());
  EXPECT_FALSE(registered);
}

TEST_F(WithEureka, ADeltaThatDoesNotFitBringsAFullFetch) {
  start(config);
  delta = registry({9002}, "UP_5_");
  full = registry({9003}, "UP_1_");
  host.advance(31000);
  EXPECT_EQ(count("GET http://e1 apps/"), 2u);
  EXPECT_EQ(get("/api/v1/auth/x")->upstream_requests().at(0).address, "127.0.0.1:9003");
  delta = "{\"applications\":7}";
  full = registry({9004}, "UP_1_");
  host.advance(30000);
  EXPECT_EQ(get("/api/v1/auth/x")->upstream_requests().at(0).address, "127.0.0.1:9004");
  delta_status = 403;
  full = registry({9005}, "UP_1_");
  host.advance(30000);
  EXPECT_EQ(get("/api/v1/auth/x")->upstream_requests().at(0).address, "127.0.0.1:9005");
}

TEST_F(WithEureka, KeepsTheLastRegistryThroughAnythingAndFailsOver) {
  start(config);
  down = {"http://e1"};
  delta = registry({9002}, "UP_2_");
  host.advance(31000);
  EXPECT_GE(count("GET http://e2 apps/delta"), 1u);
  EXPECT_EQ(host.health("discoveryComposite"), GW_UP);
  asked.clear();
  delta = registry({}, "UP_2_");
  host.advance(30000);
  EXPECT_EQ(count("GET http://e1 apps/delta"), 0u);  // the one that works is kept
  down = {"*"};
  host.advance(60000);
  EXPECT_EQ(host.health("discoveryComposite"), GW_UNKNOWN);
  EXPECT_GT(host.metric("gateway_registry_age_seconds"), 20);
  EXPECT_EQ(get("/api/v1/auth/x")->status(), 200u);
  down.clear();
  delta = full = "<html>";
  host.advance(30000);
  EXPECT_TRUE(host.logged("unusable registry"));
  EXPECT_EQ(get("/api/v1/auth/x")->status(), 200u);
  delta = full = registry({9007}, "UP_1_");
  host.advance(40000);
  EXPECT_EQ(host.health("discoveryComposite"), GW_UP);
  EXPECT_EQ(get("/api/v1/auth/x")->upstream_requests().at(0).address, "127.0.0.1:9007");
}

TEST_F(WithEureka, StartsWithoutAServerAndFindsItSoon) {
  down = {"*"};
  start(config);
  EXPECT_EQ(get("/api/v1/auth/x")->status(), 503u);
  EXPECT_FALSE(registered);
  host.advance(20000);
  down.clear();
  host.advance(6000);
  EXPECT_EQ(get("/api/v1/auth/x")->status(), 200u);
  EXPECT_TRUE(registered);
}

TEST_F(WithEureka, AServerThatNeverAnswersDelaysTheStartALittle) {
  host.on_call([](const testing::CallRequest&) { return std::nullopt; });
  start(config);
  EXPECT_EQ(get("/api/v1/auth/x")->status(), 503u);
  router->stop(10000);
}

TEST_F(WithEureka, AReloadsSuccessorStaysRegistered) {
  start(config);
  self = R"({"instance":{"lastDirtyTimestamp":"99999999999999"}})";
  EXPECT_TRUE(router->stop());
  EXPECT_TRUE(registered);
}

TEST_F(WithEureka, WithoutAFixedPortItIsNotRegistered) {
  host.set_listeners({{"unix:/run/x", true}, {"127.0.0.1:0", true}});
  start(config);
  EXPECT_FALSE(registered);
  EXPECT_TRUE(host.logged("not registered"));
}

}  // namespace
}  // namespace gw::router
