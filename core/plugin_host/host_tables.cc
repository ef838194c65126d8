// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/host_tables.h"

#include <string_view>

#include "pipeline/tables.h"
#include "plugin_host/context.h"
#include "plugin_host/debug_tables.h"
#include "plugin_host/handover.h"
#include "plugin_host/observe.h"
#include "plugin_host/offload.h"
#include "plugin_host/reports.h"
#include "plugin_host/tickets.h"
#include "settings/checked.h"

namespace gw::plugin_host {

namespace {

std::uint32_t worker_index(gw_worker* worker) {
  return worker->index;
}

constexpr gw_worker_api kWorkerApi = {sizeof(gw_worker_api), worker_index};

const void* get_interface(const gw_host*, const char* id) {
  struct Entry {
    std::string_view id;
    const void* table;
  };
  static const Entry all[] = {
      {GW_CONTEXT_ID, context_api()},
      {GW_CONFIG_ID, pipeline::kDebugAbi ? watched_config_api() : settings::config_table()},
      {GW_ATTRIBUTE_ID, pipeline::attribute_api()},
      {GW_TEXT_ID, pipeline::text_api()},
      {GW_EXCHANGE_ID, pipeline::exchange_api()},
      {GW_STREAM_ID, pipeline::stream_api()},
      {GW_WORKER_ID, &kWorkerApi},
      {GW_TIMER_ID, timer_api()},
      {GW_FD_ID, fd_api()},
      {GW_TURN_ID, turn_api()},
      {GW_POST_ID, post_api()},
      {GW_RESOLVE_ID, resolve_api()},
      {GW_CALL_ID, call_api()},
      {GW_OFFLOAD_ID, offload_api()},
      {GW_LOG_ID, log_api()},
      {GW_CLOCK_ID, clock_api()},
      {GW_RANDOM_ID, random_api()},
      {GW_METRICS_ID, pipeline::kDebugAbi ? watched_metrics_api() : metrics_api()},
      {GW_HEALTH_ID, health_api()},
      {GW_REPORT_ID, report_api()},
      {GW_SUCCESSOR_ID, successor_api()},
  };
  for (const Entry& entry : all)
    if (entry.id == id) return entry.table;
  return nullptr;
}

constexpr std::string_view kVersion = "gateway " GW_VERSION;

}  // namespace

const gw_host& host_tables() {
  static const gw_host host = {
      sizeof(gw_host), GW_ABI, {kVersion.data(), kVersion.size()}, get_interface};
  return host;
}

}  // namespace gw::plugin_host
