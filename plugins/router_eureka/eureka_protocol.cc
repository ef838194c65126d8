// SPDX-License-Identifier: Apache-2.0
#include "eureka_protocol.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <gateway/json.hpp>

#include "shortcut.h"

namespace gw::router {
namespace {

std::string upper_case(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

}  // namespace

std::string Self::instance_id() const {
  return host + ":" + application + ":" + std::to_string(port);
}
std::string Self::application_path() const {
  return "apps/" + upper_case(application);
}
std::string Self::instance_path() const {
  return application_path() + "/" + instance_id();
}
std::string Self::heartbeat_path() const {
  return instance_path() + "?status=UP&lastDirtyTimestamp=" + std::to_string(dirty_ms);
}

std::string Self::registration_json(std::int64_t now_ms) const {
  std::string base = "http://" + host + ":" + std::to_string(port);
  nlohmann::ordered_json instance{
      {"instanceId", instance_id()},
      {"hostName", host},
      {"app", upper_case(application)},
      {"ipAddr", ip},
      {"status", "UP"},
      {"overriddenStatus", "UNKNOWN"},
      {"port", {{"$", port}, {"@enabled", "true"}}},
      {"securePort", {{"$", 443}, {"@enabled", "false"}}},
      {"countryId", 1},
      {"dataCenterInfo",
       {{"@class", "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"}, {"name", "MyOwn"}}},
      {"leaseInfo", {{"renewalIntervalInSecs", 30}, {"durationInSecs", 90}}},
      {"metadata", {{"management.port", std::to_string(port)}}},
      {"homePageUrl", base + "/"},
      {"statusPageUrl", base + "/actuator/info"},
      {"healthCheckUrl", base + "/actuator/health"},
      {"vipAddress", application},
      {"secureVipAddress", application},
      {"isCoordinatingDiscoveryServer", "false"},
      {"lastUpdatedTimestamp", std::to_string(now_ms)},
      {"lastDirtyTimestamp", std::to_string(dirty_ms)}};
  return nlohmann::ordered_json{{"instance", instance}}.dump();
}

std::int64_t dirty_timestamp_of(std::string_view body) {
  auto json = parse_json(body, 16);
  if (!json || !json->is_object()) return 0;
  auto instance = json->find("instance");
  if (instance == json->end() || !instance->is_object()) return 0;
  auto stamp = instance->find("lastDirtyTimestamp");
  if (stamp == instance->end()) return 0;
  if (stamp->is_number_integer()) return stamp->get<std::int64_t>();
  std::uint64_t number = 0;
  bool good = stamp->is_string() && parse_unsigned(stamp->get_ref<const std::string&>(), number);
  return good ? static_cast<std::int64_t>(number) : 0;
}

std::string Servers::add(std::string_view url) {
  url = trimmed(url);
  bool http = url.starts_with("http://") && url.size() > 7;
  bool https = url.starts_with("https://") && url.size() > 8;
  if (!http && !https) return "'" + without_credentials(url) + "' is not a URL of http or https";
  if (urls_.size() == kMost) return "more than 16 servers";
  urls_.emplace_back(url);
  if (!url.ends_with('/')) urls_.back() += '/';
  return {};
}

std::string without_credentials(std::string_view url) {
  std::size_t start = url.find("://");
  start = start == std::string_view::npos ? 0 : start + 3;
  std::size_t at = url.substr(0, url.find('/', start)).rfind('@');
  if (at == std::string_view::npos || at < start) return std::string(url);
  return std::string(url.substr(0, start)) + std::string(url.substr(at + 1));
}

std::string local_host_name() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == 0) return "localhost";
  return name;
}

std::string local_address() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "127.0.0.1";
  std::string found = "127.0.0.1";
  for (ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_LOOPBACK) != 0 || (one->ifa_flags & IFF_UP) == 0) continue;
    char text[INET_ADDRSTRLEN] = "";
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) == nullptr) continue;
    found = text;
    break;
  }
  freeifaddrs(all);
  return found;
}

}  // namespace gw::router
