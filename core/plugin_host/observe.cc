// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/observe.h"

#include <string_view>
#include <vector>

#include "base/health.h"
#include "base/metrics.h"
#include "plugin_host/context.h"
#include "plugin_host/tickets.h"

namespace gw::plugin_host {

namespace {

std::string_view view_of(gw_str text) {
  return {text.ptr, static_cast<std::size_t>(text.len)};
}
gw_str str_of(std::string_view text) {
  return {text.data(), text.size()};
}

// A gw_cell is a MetricCell under another name.
base::MetricCell& cell_of(gw_cell* cell) {
  return *reinterpret_cast<base::MetricCell*>(cell);
}

gw_cell* metric_cell(gw_worker* worker, const gw_family* family, const gw_str* label_values) {
  worker->check_thread();
  if (family->struct_size < sizeof(gw_family) ||
      family->label_count > base::MetricsRegistry::kMaxLabels ||
      family->bound_count > base::MetricsRegistry::kMaxBounds)
    return nullptr;
  base::MetricFamily wanted;
  wanted.type = static_cast<base::MetricType>(family->type);
  wanted.name = view_of(family->name);
  wanted.help = view_of(family->help);
  std::vector<std::string_view> values;
  for (std::uint32_t i = 0; i < family->label_count; ++i) {
    wanted.labels.emplace_back(view_of(family->labels[i]));
    values.push_back(view_of(label_values[i]));
  }
  if (family->type == GW_HISTOGRAM)
    wanted.bounds.assign(family->bounds, family->bounds + family->bound_count);
  return reinterpret_cast<gw_cell*>(
      worker->context.host.metrics.cell(worker->index, wanted, values));
}

void metric_add(gw_cell* cell, double delta) {
  if (cell != nullptr) cell_of(cell).add(delta);
}

void metric_set(gw_cell* cell, double value) {
  if (cell != nullptr) cell_of(cell).set(value);
}

void metric_observe(gw_cell* cell, double value) {
  if (cell != nullptr) cell_of(cell).observe(value);
}

// A family as the ABI shows it; the views are the registry's.
struct ShownFamily {
  explicit ShownFamily(const base::MetricFamily& family) : source(&family) {
    for (const std::string& label : family.labels) labels.push_back(str_of(label));
    shown.struct_size = sizeof shown;
    shown.type = static_cast<std::uint32_t>(family.type);
    shown.name = str_of(family.name);
    shown.help = str_of(family.help);
    shown.labels = labels.data();
    shown.label_count = static_cast<std::uint32_t>(labels.size());
    shown.bound_count = static_cast<std::uint32_t>(family.bounds.size());
    shown.bounds = family.bounds.data();
  }
  ShownFamily(const ShownFamily&) = delete;
  ShownFamily& operator=(const ShownFamily&) = delete;

  const base::MetricFamily* source;
  std::vector<gw_str> labels;
  gw_family shown{};
};

void metric_visit(gw_context* context, void (*sample)(void*, const gw_sample*), void* user) {
  std::unique_ptr<ShownFamily> family;
  std::vector<gw_str> values;
  context->host.metrics.visit([&](const base::MetricsRegistry::Sample& from) {
    if (family == nullptr || family->source != from.family)
      family = std::make_unique<ShownFamily>(*from.family);
    values.clear();
    for (const std::string& value : from.label_values) values.push_back(str_of(value));
    gw_sample out{};
    out.struct_size = sizeof out;
    out.bucket_count = static_cast<std::uint32_t>(from.buckets.size());
    out.family = &family->shown;
    out.label_values = values.data();
    out.value = from.value;
    out.count = from.count;
    out.buckets = from.buckets.data();
    sample(user, &out);
  });
}

static_assert(GW_UP == static_cast<int>(base::HealthStatus::kUp) &&
              GW_DOWN == static_cast<int>(base::HealthStatus::kDown));

void health_report(gw_context* context, const gw_health_entry* entry) {
  if (entry->struct_size < sizeof(gw_health_entry)) return;
  // What is not a known status is not good news.
  const bool known = entry->status >= GW_UP && entry->status <= GW_DOWN;
  context->host.health.report(context->health_owner, view_of(entry->component),
                              static_cast<base::HealthStatus>(known ? entry->status : GW_DOWN),
                              view_of(entry->details_json));
}

void health_visit(gw_context* context, void (*entry)(void*, const gw_health_entry*), void* user) {
  context->host.health.visit([&](const base::HealthRegistry::Entry& from) {
    const gw_health_entry out = {sizeof out, static_cast<std::int32_t>(from.status),
                                 str_of(from.component), str_of(from.details_json)};
    entry(user, &out);
  });
}

}  // namespace

const gw_metrics_api* metrics_api() {
  static constexpr gw_metrics_api api = {
      sizeof(gw_metrics_api), metric_cell, metric_add, metric_set, metric_observe, metric_visit};
  return &api;
}

const gw_health_api* health_api() {
  static constexpr gw_health_api api = {sizeof(gw_health_api), health_report, health_visit};
  return &api;
}

}  // namespace gw::plugin_host
