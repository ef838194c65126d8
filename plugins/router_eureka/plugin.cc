// SPDX-License-Identifier: Apache-2.0
//
// Glue of the router: one registry and one registration per process, on the home worker; a part per
// worker that shares what they find.
#include <gateway/plugin.hpp>
#include <memory>

#include "eureka_client.h"
#include "routes_endpoint.h"
#include "routing_part.h"
#include "settings.h"

namespace gw::router {

constexpr std::uint32_t kStartWaitMs = 3000;  // for the first registry; then it serves without

class Router {
 public:
  Router(Context host, Config config)
      : context(host),
        settings(read_settings(config)),
        attributes{tables.attribute->intern("route.id"), tables.attribute->intern("route.uri")},
        directory(std::make_shared<Directory>(settings.services, Registry::Applications())) {}

  struct Part {
    Part(Router& router, Worker own_worker)
        : worker(own_worker),
          routing(router.context, own_worker, router.settings, router.attributes,
                  router.directory) {}

    Verdict choose(Exchange x, void*& slot, const gw_attempt* previous, gw_endpoint& out) {
      return routing.choose(x, slot, previous, out);
    }
    void outcome(Exchange, void*& slot, const gw_attempt& attempt) {
      routing.outcome(slot, attempt);
    }
    Verdict on_response_head(Exchange x, void*& slot) { return routing.on_response_head(x, slot); }

    Worker worker;
    RoutingPart routing;
    // Home worker only.
    gw_cell* routes_count = nullptr;
    bool started = false;
    Timer start_wait;
    std::unique_ptr<RegistryFetcher> fetcher;
    std::unique_ptr<Registrar> registrar;
  };

  void start(Part& home) {
    gw_family family{sizeof(gw_family),
                     GW_GAUGE,
                     str("spring_cloud_gateway_routes_count"),
                     str("Routes, those of the discovery locator included"),
                     nullptr,
                     0,
                     0,
                     nullptr};
    home.routes_count = home.worker.cell(family);
    count(home, *directory);
    if (settings.eureka.register_self && know_self())
      home.registrar = std::make_unique<Registrar>(context, home.worker, settings.eureka);
    if (!settings.eureka.fetch) return started(home);
    home.start_wait.start(home.worker, kStartWaitMs, [this, &home] { started(home); });
    home.fetcher = std::make_unique<RegistryFetcher>(
        context, home.worker, settings.eureka,
        [this, &home](const Registry& registry) { spread(home, registry); },
        [this, &home] { started(home); });
  }

  void stop(Part& home) {
    home.fetcher.reset();
    home.start_wait.cancel();
    if (home.registrar == nullptr) return context.stopped();
    home.registrar->leave([this] { context.stopped(); });
  }

  Context context;
  Settings settings;
  RouteAttributes attributes;
  std::shared_ptr<const Directory> directory;  // of the configuration alone

 private:
  void started(Part& home) {
    home.start_wait.cancel();
    if (!std::exchange(home.started, true)) context.started();
  }

  void spread(Part& home, const Registry& registry) {
    auto next = std::make_shared<const Directory>(settings.services, registry.applications());
    home.routing.set_directory(next);
    for (std::uint32_t i = 1; i < context.worker_count(); ++i)
      context.post<Part>(i, [next](Part& part) { part.routing.set_directory(next); });
    count(home, *next);
  }

  void count(Part& home, const Directory& known) {
    tables.metrics->set(home.routes_count, static_cast<double>(count_routes(
                                               settings.routes, settings.locator != nullptr, known,
                                               settings.eureka.self.application)));
  }

  // What the gateway says about itself, as far as the configuration leaves it open. False: not
  // enough.
  bool know_self() {
    Self& self = settings.eureka.self;
    self.ip = settings.ip_address.empty() ? local_address() : settings.ip_address;
    self.host = settings.hostname.empty() ? local_host_name() : settings.hostname;
    if (settings.prefer_ip) self.host = self.ip;
    self.dirty_ms = context.wall_ms();
    for (const gw_listener& listener : context.listeners()) {
      if (self.port != 0) break;
      std::string_view address = view(listener.address);
      std::uint64_t port = 0;
      if (!address.starts_with("unix:") &&
          parse_unsigned(address.substr(address.rfind(':') + 1), port))
        self.port = static_cast<std::uint16_t>(port);
    }
    if (self.port == 0)
      context.log(GW_WARN, "eureka: not registered, because no listener has a fixed port");
    return self.port != 0;
  }
};

}  // namespace gw::router

GW_PLUGIN(gw::router::Router, R"(
id = "router_eureka"
version = "0.1.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Spring Cloud Gateway's routes, with Eureka"
requires = ["gw.exchange/1", "gw.attribute/1", "gw.worker/1", "gw.timer/1", "gw.call/1", "gw.post/1", "gw.clock/1", "gw.random/1", "gw.metrics/1", "gw.health/1", "gw.log/1"]
provides = ["gw.instance/1", "gw.router/1"]
[attributes]
provides = ["route.id", "route.uri"]
[config.application]
type = "string"
default = "gateway-server"
doc = "Name under which the gateway registers."
[config.eureka_urls]
type = "strings"
default = "${EUREKA_CLIENT_SERVICEURL_DEFAULTZONE:http://localhost:8761/eureka/}"
doc = "Eureka servers; none: no Eureka."
[config.fetch]
type = "boolean"
default = "${EUREKA_FETCH:true}"
doc = "Fetch the registry."
[config.register]
type = "boolean"
default = "${EUREKA_REGISTER:true}"
doc = "Register the gateway."
[config.hostname]
type = "string"
default = "${EUREKA_INSTANCE_HOSTNAME:}"
doc = "Host name to register; empty: this machine's."
[config.ip_address]
type = "string"
default = ""
doc = "IP address to register; empty: this machine's first that is not loopback."
[config.prefer_ip]
type = "boolean"
default = false
doc = "Register the IP address as host name."
[config.port]
type = "integer"
default = 0
minimum = 0
maximum = 65535
doc = "Port to register; 0: that of the first TCP listener."
[config.fetch_interval]
type = "duration"
default = "30s"
minimum = 1000
maximum = 3600000
doc = "Between two fetches of the registry."
[config.heartbeat_interval]
type = "duration"
default = "30s"
minimum = 1000
maximum = 60000
doc = "Between two heartbeats; servers forget who is silent for 90 s."
[config.max_registry]
type = "size"
default = "8MiB"
minimum = 1024
maximum = 67108864
doc = "Largest registry that is taken."
[config.discovery_locator]
type = "boolean"
default = false
doc = "Routes /{service-id}/** to every service of the registry."
[config.default_filters]
type = "strings"
default = []
doc = "Filters of every route, in Spring's shortcut form."
[config.services]
type = "tables"
default = []
doc = "Services that are known without Eureka; they stand before its own of that name."
[config.services.keys.name]
type = "string"
doc = "As in lb://NAME."
[config.services.keys.endpoints]
type = "strings"
doc = "host:port or unix:path."
[config.routes]
type = "tables"
default = []
doc = "Routes; the first that matches serves."
[config.routes.keys.id]
type = "string"
default = ""
doc = "Name in metrics and in /actuator/gateway/routes."
[config.routes.keys.uri]
type = "string"
doc = "lb://NAME, http://host:port, unix:path."
[config.routes.keys.predicates]
type = "strings"
default = []
doc = "All must match: Path, Method, Host, Header, Query in Spring's shortcut form."
[config.routes.keys.filters]
type = "strings"
default = []
doc = "Filters in Spring's shortcut form."
[config.routes.keys.order]
type = "integer"
default = 0
doc = "Lower ones are tried first."
[config.routes.keys.enabled]
type = "boolean"
default = true
doc = "false: as if the route were not there."
[config.routes.keys.body_limit]
type = "size"
default = 0
minimum = 0
maximum = 1099511627776
doc = "Largest body of a request; 0: the server's default."
[config.routes.keys.metadata]
type = "table"
default = {}
doc = "connect-timeout, response-timeout and idle-timeout in milliseconds; the rest is only shown."
)");
