// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

namespace gw::tracing {

Settings read_settings(Config config) {
  Settings settings;
  ReporterOptions& reporter = settings.reporter;
  reporter.endpoint = config.string("endpoint");
  if (!reporter.endpoint.empty() && !reporter.endpoint.starts_with("http://") &&
      !reporter.endpoint.starts_with("https://"))
    throw ConfigError("endpoint", "neither empty nor a URL of http or https");
  reporter.timeout_ms = static_cast<std::uint32_t>(config.integer("timeout"));
  reporter.interval_ms = static_cast<std::uint32_t>(config.integer("interval"));
  reporter.max_buffer_bytes = static_cast<std::size_t>(config.integer("max_buffer"));
  settings.probability = config.number("probability");
  settings.join = config.boolean("join");
  settings.service = config.string("service");
  if (settings.service.empty()) throw ConfigError("service", "is empty");
  return settings;
}

}  // namespace gw::tracing
