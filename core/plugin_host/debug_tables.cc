// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/debug_tables.h"

#include "base/check.h"
#include "plugin_host/context.h"
#include "plugin_host/observe.h"
#include "settings/checked.h"

namespace gw::plugin_host {

namespace {

thread_local int readings = 0;

// The function of gw.config/1 at `Member`, for who may read.
template <auto Member>
struct Watched;
template <class Result, class... Arguments, Result (*gw_config_api::*Member)(Arguments...)>
struct Watched<Member> {
  static Result call(Arguments... arguments) {
    if (readings == 0)
      GW_CHECK(!"a plugin calls gw.config/1 outside of create or on another thread");
    return (settings::config_table()->*Member)(arguments...);
  }
};

gw_cell* cell(gw_worker* worker, const gw_family* family, const gw_str* label_values) {
  auto* plain =
      reinterpret_cast<base::MetricCell*>(metrics_api()->cell(worker, family, label_values));
  if (plain == nullptr) return nullptr;
  return reinterpret_cast<gw_cell*>(
      &worker->watched_cells.try_emplace(plain, WatchedCell{plain, worker}).first->second);
}

// The cell that metrics_api() knows.
gw_cell* plain_of(gw_cell* watched) {
  if (watched == nullptr) return nullptr;
  const auto& cell = *reinterpret_cast<const WatchedCell*>(watched);
  cell.worker->check_thread();
  return reinterpret_cast<gw_cell*>(cell.cell);
}

void add(gw_cell* cell, double delta) {
  metrics_api()->add(plain_of(cell), delta);
}
void set(gw_cell* cell, double value) {
  metrics_api()->set(plain_of(cell), value);
}
void observe(gw_cell* cell, double value) {
  metrics_api()->observe(plain_of(cell), value);
}

}  // namespace

ConfigReading::ConfigReading() {
  ++readings;
}
ConfigReading::~ConfigReading() {
  --readings;
}

const gw_config_api* watched_config_api() {
  using Api = gw_config_api;
  static constexpr Api api = {
      sizeof(Api),
      Watched<&Api::get_string>::call,
      Watched<&Api::get_integer>::call,
      Watched<&Api::get_float>::call,
      Watched<&Api::get_boolean>::call,
      Watched<&Api::string_at>::call,
      Watched<&Api::integer_at>::call,
      Watched<&Api::table_at>::call,
      Watched<&Api::get_table>::call,
      Watched<&Api::key_at>::call,
      Watched<&Api::complain>::call,
  };
  return &api;
}

const gw_metrics_api* watched_metrics_api() {
  static const gw_metrics_api api = {sizeof(gw_metrics_api), cell, add, set, observe,
                                     metrics_api()->visit};
  return &api;
}

}  // namespace gw::plugin_host
