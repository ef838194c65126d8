// SPDX-License-Identifier: Apache-2.0
#include "pipeline/chain.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <gateway/path_pattern.hpp>

#include "base/check.h"

namespace gw::pipeline {

namespace {

// A copy of a plugin's table in which every function that is behind its struct_size is null.
template <class Table>
Table known_part(const Table* table) {
  Table copy{};
  std::memcpy(&copy, table, std::min<std::size_t>(table->struct_size, sizeof copy));
  copy.struct_size = sizeof copy;
  return copy;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// "Shop.Example:8080" -> "Shop.Example", "shop.example." (the same name) -> "shop.example";
// "[::1]:80" -> "[::1]".
std::string_view host_of(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  const std::size_t bracket = authority.rfind(']');
  if (bracket != std::string_view::npos && bracket > colon) return authority;
  std::string_view host = authority.substr(0, colon);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

bool same_host(std::string_view host, std::string_view lower_case) {
  return std::equal(host.begin(), host.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return lower(a) == b; });
}

// `rule` is lower case; "*.example.com" takes one label or more in front of ".example.com".
bool host_matches(std::string_view host, std::string_view rule) {
  if (!rule.starts_with("*.")) return same_host(host, rule);
  const std::string_view tail = rule.substr(1);
  return host.size() > tail.size() && same_host(host.substr(host.size() - tail.size()), tail);
}

bool is_host_rule(std::string_view rule) {
  if (rule.starts_with("*.")) rule.remove_prefix(2);
  return !rule.empty() && rule.find_first_of("*/@ \t") == std::string_view::npos;
}

}  // namespace

FilterStep make_filter_step(const gw_filter_api* api, void* part, PartUse& use) {
  FilterStep step{known_part(api), part, &use};
  GW_CHECK(step.api.on_request_head != nullptr);
  return step;
}

RouterStep make_router_step(const gw_router_api* api, void* part, PartUse& use) {
  RouterStep step{known_part(api), part, &use};
  GW_CHECK(step.api.choose != nullptr);
  return step;
}

struct ChainMatch::Rules {
  std::vector<PathPattern> paths;
  std::vector<std::string> hosts;
  std::vector<std::string> listeners;
};

base::Result<ChainMatch> ChainMatch::compile(const std::vector<std::string>& paths,
                                             const std::vector<std::string>& hosts,
                                             const std::vector<std::string>& listeners) {
  auto rules = std::make_shared<Rules>();
  rules->paths.resize(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string error = rules->paths[i].compile(paths[i]);
    if (!error.empty()) return base::Error{"path \"" + paths[i] + "\": " + error};
  }
  for (std::string host : hosts) {
    if (!is_host_rule(host)) return base::Error{"host \"" + host + "\" is not a host name"};
    std::transform(host.begin(), host.end(), host.begin(), lower);
    rules->hosts.push_back(std::move(host));
  }
  rules->listeners = listeners;
  ChainMatch match;
  match.rules_ = std::move(rules);
  return match;
}

bool ChainMatch::matches(const http::RequestHead& head, const http::Peer& peer) const {
  if (rules_ == nullptr) return true;
  const Rules& rules = *rules_;
  auto none = [](const auto& list, auto test) {
    return !list.empty() && std::none_of(list.begin(), list.end(), test);
  };
  if (none(rules.listeners, [&](const std::string& name) { return name == peer.listener; }))
    return false;
  if (!rules.hosts.empty()) {
    const std::string_view host = host_of(head.authority);
    if (none(rules.hosts, [&](const std::string& rule) { return host_matches(host, rule); }))
      return false;
  }
  return !none(rules.paths, [&](const PathPattern& path) { return path.match(head.path); });
}

void Chain::finish() {
  for (const FilterStep& step : filters) {
    request_body_filters |= step.api.on_request_body != nullptr;
    response_body_filters |= step.api.on_response_body != nullptr;
  }
}

const Chain* WorkerGeneration::find(const http::RequestHead& head, const http::Peer& peer) const {
  for (const Chain& chain : chains)
    if (chain.match.matches(head, peer)) return &chain;
  return nullptr;
}

}  // namespace gw::pipeline
