// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <gateway/json.hpp>

namespace gw::metrics {
namespace {

constexpr std::size_t kMostBuckets = 40;
constexpr std::size_t kMostUris = 200;

std::vector<double> read_buckets(Config config) {
  std::vector<double> bounds;
  for (std::int64_t bound : config.integers("buckets_ms")) {
    double seconds = static_cast<double>(bound) / 1000;
    if (bound <= 0 || (!bounds.empty() && seconds <= bounds.back()))
      throw ConfigError("buckets_ms", "the bounds must be positive and rise");
    bounds.push_back(seconds);
  }
  if (bounds.size() > kMostBuckets) throw ConfigError("buckets_ms", "more than 40 bounds");
  return bounds;
}

std::vector<PathPattern> read_uris(Config config) {
  std::vector<PathPattern> patterns;
  for (const std::string& text : config.strings("uris")) {
    std::string error = patterns.emplace_back().compile(text);
    if (!error.empty()) throw ConfigError("uris", error.insert(0, "'" + text + "': "));
  }
  if (patterns.size() > kMostUris) throw ConfigError("uris", "more than 200 patterns");
  return patterns;
}

std::set<std::string> read_set(Config config, const char* key) {
  auto all = config.strings(key);
  return {all.begin(), all.end()};
}

}  // namespace

Settings read_settings(Config config) {
  Settings settings;
  settings.series.bounds_s = read_buckets(config);
  settings.series.uris = read_uris(config);
  settings.health.show_details = config.boolean("show_details");
  settings.health.undecisive = read_set(config, "undecisive");
  settings.health.readiness = read_set(config, "readiness");
  settings.info_json = config.string("info");
  auto info = parse_json(settings.info_json);
  if (!info || !info->is_object()) throw ConfigError("info", "not a JSON object");
  return settings;
}

}  // namespace gw::metrics
