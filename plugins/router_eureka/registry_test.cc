// SPDX-License-Identifier: Apache-2.0
//
// The registry, the directory made of it, and the choice among endpoints.
#include "registry.h"

#include <gtest/gtest.h>

#include <set>

#include "balancer.h"
#include "directory.h"
#include "eureka_protocol.h"
#include "locator.h"

namespace gw::router {
namespace {

using Json = nlohmann::json;

Json instance(const std::string& app, const std::string& id, int port,
              const std::string& status = "UP", const std::string& action = "ADDED") {
  return {{"instanceId", id},
          {"app", app},
          {"hostName", "10.0.0." + id},
          {"ipAddr", "10.0.0.9"},
          {"status", status},
          {"overriddenStatus", "UNKNOWN"},
          {"port", {{"$", port}, {"@enabled", "true"}}},
          {"securePort", {{"$", 443}, {"@enabled", "false"}}},
          {"vipAddress", app},
          {"actionType", action},
          {"lastDirtyTimestamp", "1"},
          {"metadata", {{"@class", "java.util.Collections$EmptyMap"}}}};
}
std::string answer(const Json& applications, const std::string& hash) {
  return Json{{"applications",
               {{"versions__delta", "1"}, {"apps__hashcode", hash}, {"application", applications}}}}
      .dump();
}
Json application(const std::string& name, const Json& instances) {
  return {{"name", name}, {"instance", instances}};
}

std::string full() {
  return answer({application("AUTH-SERVICE", {instance("AUTH-SERVICE", "1", 9001),
                                              instance("AUTH-SERVICE", "2", 9002)}),
                 application("USER-SERVICE", instance("USER-SERVICE", "3", 9003, "DOWN"))},
                "DOWN_1_UP_2_");
}

TEST(Registry, FullAnswerAndDeltas) {
  Registry registry;
  std::string error;
  ASSERT_TRUE(registry.replace(full(), error)) << error;
  EXPECT_EQ(registry.instance_count(), 3u);
  EXPECT_TRUE(registry.changed());
  EXPECT_EQ(Registry::hash_code(registry.applications()), "DOWN_1_UP_2_");
  ASSERT_TRUE(registry.replace(full(), error));
  EXPECT_FALSE(registry.changed());

  auto delta = [&](const Json& instances, const std::string& hash) {
    return registry.apply_delta(answer({application("AUTH-SERVICE", instances)}, hash), error);
  };
  EXPECT_EQ(delta({instance("AUTH-SERVICE", "1", 9001, "DOWN", "MODIFIED")}, "DOWN_2_UP_1_"),
            Registry::Delta::kApplied);
  EXPECT_TRUE(registry.changed());
  EXPECT_EQ(delta(Json::array(), "DOWN_2_UP_1_"), Registry::Delta::kApplied);
  EXPECT_FALSE(registry.changed());
  EXPECT_EQ(delta({instance("AUTH-SERVICE", "1", 9001, "DOWN", "DELETED")}, "DOWN_1_UP_1_"),
            Registry::Delta::kApplied);
  EXPECT_EQ(delta({instance("AUTH-SERVICE", "4", 9004)}, "UP_9_"), Registry::Delta::kMismatch);
  EXPECT_EQ(delta({instance("AUTH-SERVICE", "4", 9004, "UP", "EATEN")}, "UP_9_"),
            Registry::Delta::kInvalid);
  EXPECT_EQ(registry.instance_count(), 3u);
}

TEST(Registry, HostileAnswersChangeNothing) {
  Registry registry;
  std::string error;
  ASSERT_TRUE(registry.replace(full(), error));
  auto before = registry.applications();
  std::string deep(2000, '[');
  Json nameless = application("", Json::array());
  const std::string wrong[] = {
      "",
      "null",
      "[]",
      "{}",
      "<xml/>",
      deep,
      "{\"applications\":[]}",
      "{\"applications\":{\"application\":3}}",
      "{\"applications\":{\"application\":[3]}}",
      answer({nameless}, ""),
      answer({application("A", 7)}, ""),
      answer({application("A", {{{"hostName", 1.5}}})}, ""),
      "{\"applications\":{},\"applications\":{}}",
      "{\"applications\":{\"application\":{\"name\":\"A\",\"instance\":[\"x\"]}}}"};
  for (const std::string& body : wrong) {
    error.clear();
    EXPECT_FALSE(registry.replace(body, error)) << body;
    EXPECT_NE(error, "") << body;
    EXPECT_EQ(registry.apply_delta(body, error), Registry::Delta::kInvalid) << body;
    EXPECT_EQ(registry.applications(), before);
  }
  std::string many = R"({"applications":{"application":{"name":"A","instance":[)";
  for (std::size_t i = 0; i <= Registry::kMostInstances; ++i)
    many += (i ? "," : "") + std::string("{\"instanceId\":\"") + std::to_string(i) + "\"}";
  EXPECT_FALSE(registry.replace(many + "]}}}", error));
  EXPECT_EQ(registry.applications(), before);
}

TEST(Registry, OddInstancesAreLeftOut) {
  Registry registry;
  std::string error;
  Json no_port = instance("A", "1", 0), bad_host = instance("A", "2", 1),
       no_vip = instance("A", "3", 1), text_port = instance("A", "5", 1);
  bad_host["hostName"] = "evil\r\nhost";
  no_vip.erase("vipAddress");
  text_port["port"] = {{"$", "9005"}, {"@enabled", true}};
  ASSERT_TRUE(registry.replace(
      answer(application("A", {no_port, bad_host, no_vip, instance("A", "4", 9004), text_port}),
             "UP_5_"),
      error))
      << error;
  EXPECT_EQ(registry.odd_instances(), 3u);
  Directory directory({}, registry.applications());
  ASSERT_EQ(directory.services().size(), 1u);
  EXPECT_EQ(directory.services()[0].endpoints.size(), 2u);
}

TEST(Registry, EmptyIsARegistryToo) {
  Registry registry;
  std::string error;
  EXPECT_TRUE(registry.replace(
      R"({"applications":{"versions__delta":"1","apps__hashcode":"","application":[]}})", error));
  EXPECT_TRUE(registry.replace(R"({"applications":{}})", error));
  EXPECT_EQ(registry.instance_count(), 0u);
}

Directory directory_of(const Json& applications, std::vector<Service> configured = {}) {
  Registry registry;
  std::string error;
  EXPECT_TRUE(registry.replace(answer(applications, ""), error)) << error;
  return Directory(std::move(configured), registry.applications());
}

TEST(Directory, UpInstancesByVip) {
  Json secure = instance("AUTH-SERVICE", "2", 9002);
  secure["securePort"] = {{"$", 9443}, {"@enabled", "true"}};
  Json several = instance("MIXED", "3", 9003);
  several["vipAddress"] = "Auth-Service, other";
  Json v6 = instance("V6", "4", 9004);
  v6["hostName"] = "fe80::1";
  Directory directory = directory_of(
      {application("AUTH-SERVICE", {instance("AUTH-SERVICE", "1", 9001), secure,
                                    instance("AUTH-SERVICE", "5", 9005, "OUT_OF_SERVICE")}),
       application("MIXED", several), application("V6", v6)});
  std::size_t auth = directory.find("auth-service");
  ASSERT_NE(auth, Directory::kMissing);
  std::set<std::string> addresses;
  for (const Endpoint& endpoint : directory.services()[auth].endpoints) {
    addresses.insert(endpoint.address);
    EXPECT_EQ(endpoint.tls, endpoint.address == "10.0.0.2:9443");
  }
  EXPECT_EQ(addresses, (std::set<std::string>{"10.0.0.1:9001", "10.0.0.2:9443", "10.0.0.3:9003"}));
  EXPECT_EQ(directory.services()[directory.find("other")].endpoints.size(), 1u);
  EXPECT_EQ(directory.services()[directory.find("v6")].endpoints[0].address, "[fe80::1]:9004");
  EXPECT_EQ(directory.find("AUTH-SERVICE"), Directory::kMissing);
}

TEST(Directory, ConfiguredServicesStandFirst) {
  Directory directory = directory_of({application("A", instance("A", "1", 9001))},
                                     {{"a", {}, {{"unix:x", false, 7}}}});
  EXPECT_EQ(directory.services()[directory.find("a")].endpoints[0].address, "unix:x");
  EXPECT_FALSE(locate(directory, "gateway", "/a/x").has_value());
}

TEST(Locator, LowerCaseFirstSegment) {
  Directory directory =
      directory_of({application("AUTH-SERVICE", instance("AUTH-SERVICE", "1", 9001)),
                    application("GATEWAY-SERVER", instance("GATEWAY-SERVER", "2", 9002))});
  auto path_of = [&](std::string_view path) {
    auto found = locate(directory, "gateway-server", path);
    return found ? std::string(found->path) : "-";
  };
  EXPECT_EQ(path_of("/auth-service/a/b"), "/a/b");
  EXPECT_EQ(path_of("/auth-service/"), "/");
  EXPECT_EQ(path_of("/auth-service"), "/");
  EXPECT_EQ(path_of("/AUTH-SERVICE/a"), "-");
  EXPECT_EQ(path_of("/auth"), "-");
  EXPECT_EQ(path_of("/"), "-");
  EXPECT_EQ(path_of("/gateway-server/x"), "-");
}

TEST(Balancer, RoundRobinWithoutTriedAndUnreachableOnes) {
  auto directory = std::make_shared<Directory>(
      std::vector<Service>{{"a", {}, {{"h:1", false, 1}, {"h:2", false, 2}, {"h:3", false, 3}}},
                           {"none", {}, {}}},
      Registry::Applications());
  Balancer balancer(5);
  balancer.set_directory(directory);
  Tried none;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 3; ++i) seen.insert(balancer.choose(0, none, 0)->id);
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_EQ(balancer.choose(1, none, 0), nullptr);

  Tried tried;
  for (int i = 0; i < 3; ++i) {
    const Endpoint* endpoint = balancer.choose(0, tried, 0);
    ASSERT_NE(endpoint, nullptr);
    EXPECT_FALSE(tried.contains(endpoint->id));
    tried.add(endpoint->id);
  }
  EXPECT_EQ(balancer.choose(0, tried, 0), nullptr);

  balancer.unreachable(2, 100);
  for (int i = 0; i < 9; ++i) EXPECT_NE(balancer.choose(0, none, 100)->id, 2u);
  balancer.unreachable(1, 100);
  balancer.unreachable(3, 100);
  EXPECT_NE(balancer.choose(0, none, 100), nullptr);  // never none because all failed
  balancer.reachable(3);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(balancer.choose(0, none, 100)->id, 3u);
  seen.clear();
  for (int i = 0; i < 3; ++i) seen.insert(balancer.choose(0, none, 101 + Balancer::kAvoidNs)->id);
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Servers, AddressesAndPreference) {
  Servers servers;
  EXPECT_EQ(servers.add("http://a:8761/eureka"), "");
  EXPECT_EQ(servers.add(" http://user:secret@b:8761/eureka/"), "");
  EXPECT_NE(servers.add("ftp://user:secret@c"), "");
  EXPECT_EQ(servers.add("ftp://user:secret@c").find("secret"), std::string::npos);
  EXPECT_EQ(servers.url(0), "http://a:8761/eureka/");
  EXPECT_EQ(servers.preferred(), 0u);
  servers.worked(3);
  EXPECT_EQ(servers.preferred(), 1u);
  EXPECT_EQ(servers.url(servers.preferred()), "http://user:secret@b:8761/eureka/");
  EXPECT_EQ(servers.url(servers.preferred() + 1), "http://a:8761/eureka/");
  EXPECT_EQ(without_credentials(servers.url(1)), "http://b:8761/eureka/");
  EXPECT_EQ(without_credentials("http://b/x@y"), "http://b/x@y");
}

TEST(Self, RegistrationIsWhatEurekaAsksFor) {
  Self self{"gateway-server", "gw.example", "10.0.0.5", 8080, 1234};
  EXPECT_EQ(self.instance_path(), "apps/GATEWAY-SERVER/gw.example:gateway-server:8080");
  EXPECT_EQ(self.heartbeat_path(), self.instance_path() + "?status=UP&lastDirtyTimestamp=1234");
  Json body = Json::parse(self.registration_json(5678))["instance"];
  EXPECT_EQ(body["app"], "GATEWAY-SERVER");
  EXPECT_EQ(body["vipAddress"], "gateway-server");
  EXPECT_EQ(body["port"]["$"], 8080);
  EXPECT_EQ(body["port"]["@enabled"], "true");
  EXPECT_EQ(body["dataCenterInfo"]["name"], "MyOwn");
  EXPECT_EQ(body["metadata"]["management.port"], "8080");
  EXPECT_EQ(body["healthCheckUrl"], "http://gw.example:8080/actuator/health");
  EXPECT_EQ(body["lastDirtyTimestamp"], "1234");
  EXPECT_EQ(dirty_timestamp_of(R"({"instance":{"lastDirtyTimestamp":"99"}})"), 99);
  EXPECT_EQ(dirty_timestamp_of(R"({"applications":{}})"), 0);
  EXPECT_EQ(dirty_timestamp_of("x"), 0);
}

}  // namespace
}  // namespace gw::router
