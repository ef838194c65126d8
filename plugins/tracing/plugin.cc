// SPDX-License-Identifier: Apache-2.0
//
// Glue of the tracing filter. When the instance stops, every worker's spans are still sent.
#include <gateway/plugin.hpp>

#include "settings.h"
#include "tracing_part.h"

namespace gw::tracing {

constexpr std::uint32_t kStopWaitMs = 3000;  // for the last spans

class Tracing {
 public:
  Tracing(Context host, Config config)
      : context(host),
        settings(read_settings(config)),
        attributes{tables.attribute->intern("trace.id"), tables.attribute->intern("route.id"),
                   tables.attribute->intern("route.uri"),
                   tables.attribute->intern("client.scheme")} {}

  struct Part : TracingPart {
    Part(Tracing& tracing, Worker own_worker)
        : TracingPart(tracing.context, own_worker, tracing.settings, tracing.attributes),
          worker(own_worker) {}

    Worker worker;
    // Home worker only.
    Timer stop_wait;
    std::uint32_t undrained = 0;
  };

  void start(Part&) { context.started(); }

  void stop(Part& home) {
    home.undrained = context.worker_count();
    home.stop_wait.start(home.worker, kStopWaitMs, [this, &home] { stopped(home); });
    for (std::uint32_t i = 0; i < context.worker_count(); ++i)
      context.post<Part>(i, [this](Part& part) {
        part.reporter.drain([this] {
          context.post<Part>(0, [this](Part& at_home) {
            if (at_home.undrained == 1) return stopped(at_home);
            if (at_home.undrained != 0) --at_home.undrained;
          });
        });
      });
  }

  Context context;
  Settings settings;
  Attributes attributes;

 private:
  void stopped(Part& home) {
    home.undrained = 0;
    home.stop_wait.cancel();
    context.stopped();
  }
};

}  // namespace gw::tracing

GW_PLUGIN(gw::tracing::Tracing, R"(
id = "tracing"
version = "0.1.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Traces of requests, reported to Zipkin"
requires = ["gw.context/1", "gw.exchange/1", "gw.attribute/1", "gw.worker/1", "gw.timer/1", "gw.call/1", "gw.post/1", "gw.clock/1", "gw.random/1", "gw.metrics/1", "gw.log/1"]
provides = ["gw.instance/1", "gw.filter/1"]
[attributes]
provides = ["trace.id"]
uses = ["client.scheme", "route.id", "route.uri"]
[config.endpoint]
type = "string"
default = "${ZIPKIN_ENDPOINT:http://localhost:9411/api/v2/spans}"
doc = "Zipkin's URL for spans; empty: traces are passed on, and not reported."
[config.probability]
type = "float"
default = "${TRACING_PROBABILITY:1.0}"
minimum = 0
maximum = 1
doc = "Share of the traces that begin here which is reported. A caller's decision stands before it."
[config.service]
type = "string"
default = "gateway-server"
doc = "Name of the gateway in Zipkin."
[config.join]
type = "boolean"
default = true
doc = "Go on with the trace that a caller names; false: every request begins one."
[config.interval]
type = "duration"
default = "1s"
minimum = 10
maximum = 60000
doc = "How long finished spans wait to be sent together."
[config.timeout]
type = "duration"
default = "10s"
minimum = 100
maximum = 60000
doc = "For one call to Zipkin."
[config.max_buffer]
type = "size"
default = "1MiB"
minimum = 16384
maximum = 16777216
doc = "Spans that wait, for each worker; more are dropped."
)");
