// SPDX-License-Identifier: Apache-2.0
//
// Glue of the metrics filter: answers /actuator/**, and times every request of its pipelines.
#include <gateway/plugin.hpp>

#include "actuator.h"
#include "settings.h"

namespace gw::metrics {

class Metrics {
 public:
  Metrics(Context host, Config config)
      : context(host),
        settings(read_settings(config)),
        route_id(tables.attribute->intern("route.id")),
        route_uri(tables.attribute->intern("route.uri")) {}

  struct Part {
    Part(Metrics& plugin, Worker worker)
        : metrics(plugin), series(worker, plugin.settings.series, plugin.maxima) {}

    Verdict on_request_head(Exchange x, void*&) {
      gw_request request = x.request();
      std::string_view path = view(request.path);
      if (!path.starts_with("/actuator")) return GW_CONTINUE;
      return answer_actuator(metrics.context, metrics.settings, metrics.maxima, x);
    }

    void on_complete(Exchange x, void*&, const gw_outcome& outcome) {
      gw_request request = x.request();
      series.record({view(request.method), view(request.path),
                     x.attribute(metrics.route_id).value_or(std::string_view()),
                     x.attribute(metrics.route_uri).value_or(std::string_view()), outcome.status,
                     view(outcome.error_code), outcome.duration_ns},
                    metrics.context.monotonic_ns());
    }

    Metrics& metrics;
    RequestSeries series;
  };

  Context context;
  Settings settings;
  Maxima maxima;
  std::uint32_t route_id, route_uri;
};

}  // namespace gw::metrics

GW_PLUGIN(gw::metrics::Metrics, R"(
id = "metrics"
version = "0.1.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Spring Boot's Actuator (health, info, metrics, prometheus) and request timers"
requires = ["gw.exchange/1", "gw.attribute/1", "gw.metrics/1", "gw.health/1", "gw.clock/1"]
optional = ["gw.report/1"]
provides = ["gw.instance/1", "gw.filter/1"]
[attributes]
uses = ["route.id", "route.uri"]
[config.buckets_ms]
type = "integers"
default = [10, 50, 100, 250, 500, 1000, 2500, 5000]
doc = "Upper bounds of the request timers' buckets, rising."
[config.uris]
type = "strings"
default = ["/actuator/health", "/actuator/health/**", "/actuator/info", "/actuator/metrics", "/actuator/metrics/{requiredMetricName}", "/actuator/plugins", "/actuator/prometheus", "/api/v1/queue/lineup", "/api/v1/queue/status", "/api/v1/queue/stream", "/api/v1/queue/allowed-in-token", "/api/v1/queue/waiting-token"]
doc = "Path patterns that are shown as `uri` of requests that the gateway answers itself."
[config.show_details]
type = "boolean"
default = true
doc = "Show components and details in health."
[config.undecisive]
type = "strings"
default = []
doc = "Health components that are shown but cannot make the whole DOWN."
[config.readiness]
type = "strings"
default = []
doc = "Health components that decide the readiness group too."
[config.info]
type = "string"
default = "{}"
doc = "The JSON object that /actuator/info answers with."
)");
