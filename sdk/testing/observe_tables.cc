// SPDX-License-Identifier: Apache-2.0
//
// "gw.log/1", "gw.clock/1", "gw.random/1", "gw.metrics/1" and "gw.health/1".
#include <algorithm>
#include <array>
#include <cstring>

#include "testing/state.h"

namespace gw::testing {

namespace {

Instance::State& instance_of(gw_context* context) {
  return *reinterpret_cast<Instance::State*>(context);
}
Cell& cell_of(gw_cell* cell) {
  return *reinterpret_cast<Cell*>(cell);
}

std::int32_t log_enabled(gw_context*, std::int32_t) {
  return 1;
}

void log_write(gw_context* context, std::int32_t level, gw_str line) {
  std::string text;
  for (unsigned char c : to_view(line)) {
    if (c >= 0x20 && c != 0x7f) {
      text += static_cast<char>(c);
    } else {
      static constexpr std::array<char, 17> kHex = {"0123456789abcdef"};
      text += "\\x";
      text += kHex[c >> 4];
      text += kHex[c & 15];
    }
  }
  FakeHost::State& host = *instance_of(context).host;
  std::lock_guard lock(host.mutex);
  host.log.push_back({level, std::move(text)});
}

std::uint64_t monotonic_ns(gw_context* context) {
  return instance_of(context).host->now_ns;
}
std::int64_t wall_ms(gw_context* context) {
  FakeHost::State& host = *instance_of(context).host;
  return host.wall_offset_ms + static_cast<std::int64_t>(host.now_ns.load() / 1'000'000);
}

// splitmix64: different bytes every time, the same in every run of a test.
void random_fill(gw_context* context, void* out, std::uint64_t size) {
  FakeHost::State& host = *instance_of(context).host;
  std::lock_guard lock(host.mutex);
  auto* bytes = static_cast<unsigned char*>(out);
  for (std::uint64_t i = 0; i < size; i += 8) {
    std::uint64_t z = host.random_seed += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    std::memcpy(bytes + i, &z, static_cast<std::size_t>(std::min<std::uint64_t>(8, size - i)));
  }
}

bool is_metric_name(std::string_view name) {
  auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == ':'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(), fits);
}

// The family of that name, made when new; null when it is declared otherwise than before.
Family* find_family(FakeHost::State& host, const gw_family& wanted) {
  std::string name(to_view(wanted.name));
  bool counter_name = wanted.type != GW_COUNTER || name.ends_with("_total");
  if (!is_metric_name(name) || wanted.type < GW_COUNTER || wanted.type > GW_HISTOGRAM ||
      !counter_name) {
    host.breach("metrics: " + name + " is not a good name or type");
    return nullptr;
  }
  Family made{wanted.type, name, std::string(to_view(wanted.help)), {}, {}};
  for (std::uint32_t i = 0; i < wanted.label_count; ++i)
    made.labels.emplace_back(to_view(wanted.labels[i]));
  if (wanted.type == GW_HISTOGRAM)
    made.bounds.assign(wanted.bounds, wanted.bounds + wanted.bound_count);
  if (!std::is_sorted(made.bounds.begin(), made.bounds.end()))
    host.breach("metrics: bounds of " + name + " fall");
  auto& slot = host.families[name];
  if (slot == nullptr) slot = std::make_unique<Family>(made);
  return slot->type == made.type && slot->labels == made.labels ? slot.get() : nullptr;
}

gw_cell* metrics_cell(gw_worker* worker, const gw_family* wanted, const gw_str* label_values) {
  auto* part = reinterpret_cast<WorkerPart*>(worker);
  FakeHost::State& host = *part->host;
  if (!host.on_worker(part, "metrics.cell")) return nullptr;
  std::lock_guard lock(host.mutex);
  Family* family = find_family(host, *wanted);
  if (family == nullptr) return nullptr;
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < family->labels.size(); ++i)
    labels.emplace_back(to_view(label_values[i]));
  for (Cell& cell : host.cells)
    if (cell.owner == part && cell.family == family && cell.labels == labels)
      return reinterpret_cast<gw_cell*>(&cell);
  Cell& cell = host.cells.emplace_back();
  cell.host = &host, cell.family = family, cell.owner = part, cell.labels = std::move(labels);
  cell.buckets.assign(family->bounds.size() + 1, 0);
  return reinterpret_cast<gw_cell*>(&cell);
}

// Null unless `raw` is a living cell of a type that the call is for.
Cell* usable(gw_cell* raw, std::initializer_list<std::uint32_t> types, const char* call) {
  if (raw == nullptr) return nullptr;
  Cell& cell = cell_of(raw);
  if (!cell.owner->alive) {
    cell.host->breach(std::string(call) + ": the cell's instance is gone");
    return nullptr;
  }
  if (!cell.host->on_worker(cell.owner, call)) return nullptr;
  if (std::find(types.begin(), types.end(), cell.family->type) != types.end()) return &cell;
  cell.host->breach(std::string(call) + ": wrong type of " + cell.family->name);
  return nullptr;
}

void metrics_add(gw_cell* raw, double delta) {
  Cell* cell = usable(raw, {GW_COUNTER, GW_GAUGE}, "metrics.add");
  if (cell == nullptr) return;
  if (cell->family->type == GW_COUNTER && !(delta >= 0))
    return cell->host->breach("metrics.add: the counter " + cell->family->name + " would fall");
  std::lock_guard lock(cell->host->mutex);
  cell->value += delta;
}

void metrics_set(gw_cell* raw, double value) {
  Cell* cell = usable(raw, {GW_GAUGE}, "metrics.set");
  if (cell == nullptr) return;
  std::lock_guard lock(cell->host->mutex);
  cell->value = value;
}

void metrics_observe(gw_cell* raw, double value) {
  Cell* cell = usable(raw, {GW_HISTOGRAM}, "metrics.observe");
  if (cell == nullptr) return;
  std::lock_guard lock(cell->host->mutex);
  const auto& bounds = cell->family->bounds;
  ++cell->buckets[static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) -
                                           bounds.begin())];
  cell->value += value;
  ++cell->count;
}

void show_series(const Family& family, const Cell& sum, void (*sample)(void*, const gw_sample*),
                 void* user) {
  ViewCopies views;
  std::vector<gw_str> names, values;
  for (const auto& label : family.labels) names.push_back(views.add(label));
  for (const auto& value : sum.labels) values.push_back(views.add(value));
  gw_family shown{};
  shown.struct_size = sizeof shown;
  shown.type = family.type;
  shown.name = views.add(family.name), shown.help = views.add(family.help);
  shown.labels = names.data(), shown.label_count = static_cast<std::uint32_t>(names.size());
  shown.bounds = family.bounds.data(),
  shown.bound_count = static_cast<std::uint32_t>(family.bounds.size());
  gw_sample out{};
  out.struct_size = sizeof out;
  out.family = &shown;
  out.label_values = values.data();
  out.value = sum.value;
  out.count = sum.count;
  if (family.type == GW_HISTOGRAM) {
    out.bucket_count = static_cast<std::uint32_t>(sum.buckets.size());
    out.buckets = sum.buckets.data();
  }
  sample(user, &out);
}

void metrics_visit(gw_context* context, void (*sample)(void*, const gw_sample*), void* user) {
  FakeHost::State& host = *instance_of(context).host;
  std::vector<std::pair<Family, std::vector<Cell>>>
      all;  // copied, so that `sample` may use the tables
  {
    std::lock_guard lock(host.mutex);
    for (const auto& [name, family] : host.families) {
      std::map<std::vector<std::string>, Cell> sums;
      for (const Cell& cell : host.cells) {
        if (cell.family != family.get()) continue;
        auto [at, fresh] = sums.try_emplace(cell.labels, cell);
        if (fresh) continue;
        at->second.value += cell.value, at->second.count += cell.count;
        for (std::size_t i = 0; i < cell.buckets.size(); ++i)
          at->second.buckets[i] += cell.buckets[i];
      }
      auto& entry = all.emplace_back(*family, std::vector<Cell>());
      for (auto& [labels, sum] : sums) entry.second.push_back(std::move(sum));
    }
  }
  for (const auto& [family, sums] : all)
    for (const Cell& sum : sums) show_series(family, sum, sample, user);
}

void health_report(gw_context* context, const gw_health_entry* entry) {
  Instance::State& instance = instance_of(context);
  if (entry->status < GW_UP || entry->status > GW_DOWN || entry->component.len == 0)
    return instance.host->breach("health.report: no component, or a status that does not exist");
  std::lock_guard lock(instance.host->mutex);
  instance.host->health[{std::string(to_view(entry->component)), &instance}] = {
      entry->status, std::string(to_view(entry->details_json))};
}

void health_visit(gw_context* context, void (*show)(void*, const gw_health_entry*), void* user) {
  FakeHost::State& host = *instance_of(context).host;
  std::map<std::string, HealthReport> worst;
  {
    std::lock_guard lock(host.mutex);
    for (const auto& [key, report] : host.health) {
      auto [at, fresh] = worst.try_emplace(key.first, report);
      if (!fresh && report.status > at->second.status) at->second = report;
    }
  }
  for (const auto& [component, report] : worst) {
    ViewCopies views;
    gw_health_entry entry{sizeof(gw_health_entry), report.status, views.add(component),
                          views.add(report.details)};
    show(user, &entry);
  }
}

}  // namespace

const gw_log_api kLogTable = {sizeof(gw_log_api), log_enabled, log_write};
const gw_clock_api kClockTable = {sizeof(gw_clock_api), monotonic_ns, wall_ms};
const gw_random_api kRandomTable = {sizeof(gw_random_api), random_fill};
const gw_metrics_api kMetricsTable = {
    sizeof(gw_metrics_api), metrics_cell, metrics_add, metrics_set, metrics_observe, metrics_visit};
const gw_health_api kHealthTable = {sizeof(gw_health_api), health_report, health_visit};

}  // namespace gw::testing
