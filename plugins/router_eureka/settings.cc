// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <algorithm>
#include <set>

namespace gw::router {
namespace {

constexpr std::size_t kMostRoutes = 1000;
constexpr std::size_t kMostServices = 1000;
constexpr std::size_t kMostEndpoints = 1000;

// Collects complaints, so that one run shows all.
class Reader {
 public:
  void complain(const Config& table, const char* key, const std::string& message) {
    table.complain(key, message);
    good_ = false;
  }
  void finish() const {
    if (!good_) throw ConfigError();
  }

 private:
  bool good_ = true;
};

// A free table's value as text; it is typed as it is written.
std::string metadata_text(const Config& table, const std::string& key) {
  try {
    return table.string(key.c_str());
  } catch (const std::logic_error&) {
  }
  try {
    return std::to_string(table.integer(key.c_str()));
  } catch (const std::logic_error&) {
  }
  return table.boolean(key.c_str()) ? "true" : "false";
}

std::uint32_t* timeout_of(RouteDefinition& route, const std::string& key) {
  if (key == "connect-timeout") return &route.connect_timeout_ms;
  if (key == "response-timeout") return &route.response_timeout_ms;
  if (key == "idle-timeout") return &route.idle_timeout_ms;
  return nullptr;
}

// Spring's per-route timeouts, and one more, in milliseconds.
void read_metadata(Reader& reader, const Config& route, RouteDefinition& out) {
  auto table = route.table("metadata");
  if (!table) return;
  for (const std::string& key : table->keys()) {
    std::string value;
    try {
      value = metadata_text(*table, key);
    } catch (const std::logic_error&) {
      reader.complain(*table, key.c_str(), "text, a whole number or a boolean is expected");
      continue;
    }
    out.metadata.emplace_back(key, value);
    std::uint32_t* timeout = timeout_of(out, key);
    if (timeout == nullptr) continue;
    std::uint64_t timeout_ms = 0;
    if (!parse_unsigned(value, timeout_ms) || timeout_ms == 0 || timeout_ms > 86'400'000) {
      reader.complain(*table, key.c_str(), "milliseconds from 1 to 86400000 are expected");
      continue;
    }
    *timeout = static_cast<std::uint32_t>(timeout_ms);
  }
}

const char* key_of(const std::string& error) {
  if (error.starts_with("uri ")) return "uri";
  return error.starts_with("predicate ") ? "predicates" : "filters";
}

RouteTable read_routes(Reader& reader, const Config& config,
                       const std::vector<std::string>& default_filters) {
  std::vector<std::unique_ptr<Route>> routes;
  std::set<std::string> ids;
  auto tables_of_routes = config.tables_of("routes");
  if (tables_of_routes.size() > kMostRoutes)
    reader.complain(config, "routes", "more than 1000 routes");
  for (const Config& table : tables_of_routes) {
    RouteDefinition definition;
    definition.id = table.string("id");
    if (definition.id.empty()) definition.id = "route-" + std::to_string(ids.size() + 1);
    definition.uri = table.string("uri");
    definition.predicates = table.strings("predicates");
    definition.filters = table.strings("filters");
    definition.order = table.integer("order");
    definition.body_limit = static_cast<std::uint64_t>(table.integer("body_limit"));
    read_metadata(reader, table, definition);
    if (!ids.insert(definition.id).second)
      reader.complain(table, "id", "there is a route '" + definition.id + "' already");
    if (!table.boolean("enabled")) continue;
    std::string error;
    auto route = compile_route(std::move(definition), default_filters, error);
    if (route == nullptr) {
      reader.complain(table, key_of(error), error);
    } else {
      routes.push_back(std::move(route));
    }
  }
  return RouteTable(std::move(routes));
}

std::vector<Service> read_services(Reader& reader, const Config& config) {
  std::vector<Service> services;
  for (const Config& table : config.tables_of("services")) {
    Service service;
    service.name = lower_case(table.string("name"));
    if (!is_host(service.name))
      reader.complain(table, "name", "letters, digits, '-', '.', '_' are expected");
    bool twice = std::any_of(services.begin(), services.end(),
                             [&](const Service& other) { return other.name == service.name; });
    if (twice) reader.complain(table, "name", "there is a service '" + service.name + "' already");
    for (const std::string& text : table.strings("endpoints")) {
      if (text.starts_with("https://")) {
        reader.complain(table, "endpoints", "'" + text + "': " + kNoTls);
      } else if (is_endpoint_address(text)) {
        service.endpoints.push_back({text, false, endpoint_id(text, false)});
      } else {
        reader.complain(table, "endpoints", "'" + text + "' is not host:port or unix:path");
      }
    }
    if (service.endpoints.size() > kMostEndpoints)
      reader.complain(table, "endpoints", "more than 1000");
    services.push_back(std::move(service));
  }
  if (services.size() > kMostServices)
    reader.complain(config, "services", "more than 1000 services");
  return services;
}

void read_eureka(Reader& reader, const Config& config, Settings& settings) {
  EurekaOptions& eureka = settings.eureka;
  for (const std::string& url : config.strings("eureka_urls")) {
    if (trimmed(url).empty()) continue;
    std::string error = eureka.servers.add(url);
    if (!error.empty()) reader.complain(config, "eureka_urls", error);
  }
  bool any = eureka.servers.size() > 0;
  eureka.fetch = config.boolean("fetch") && any;
  eureka.register_self = config.boolean("register") && any;
  eureka.self.application = config.string("application");
  if (!is_host(eureka.self.application) || eureka.self.application.find(':') != std::string::npos)
    reader.complain(config, "application", "letters, digits, '-', '.', '_' are expected");
  eureka.self.port = static_cast<std::uint16_t>(config.integer("port"));
  eureka.fetch_interval_ms = static_cast<std::uint32_t>(config.integer("fetch_interval"));
  eureka.heartbeat_interval_ms = static_cast<std::uint32_t>(config.integer("heartbeat_interval"));
  eureka.max_registry_bytes = static_cast<std::uint64_t>(config.integer("max_registry"));
  settings.hostname = config.string("hostname");
  settings.ip_address = config.string("ip_address");
  settings.prefer_ip = config.boolean("prefer_ip");
  for (const char* key : {"hostname", "ip_address"}) {
    std::string value = config.string(key);
    if (!value.empty() && !is_host(value))
      reader.complain(config, key, "'" + value + "' is not a host");
  }
}

}  // namespace

Settings read_settings(Config config) {
  Reader reader;
  Settings settings;
  std::vector<std::string> default_filters = config.strings("default_filters");
  RouteDefinition bare;
  bare.uri = "lb://any";
  std::string error;
  auto locator = compile_route(bare, default_filters, error);
  if (locator == nullptr) {
    reader.complain(config, "default_filters", error);
    default_filters.clear();
  } else if (config.boolean("discovery_locator")) {
    settings.locator = std::move(locator);
  }
  settings.routes = read_routes(reader, config, default_filters);
  settings.services = read_services(reader, config);
  read_eureka(reader, config, settings);
  reader.finish();
  return settings;
}

}  // namespace gw::router
