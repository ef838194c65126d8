// SPDX-License-Identifier: Apache-2.0
//
// Views, and the tables of the host. Part of gateway/plugin.hpp.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include "../plugin.h"

namespace gw {

using Verdict = gw_verdict;

inline std::string_view view(gw_str s) {
  return {s.ptr, static_cast<std::size_t>(s.len)};
}
inline gw_str str(std::string_view s) {
  return {s.data(), s.size()};
}

// The host's tables, filled by `init`. One set per loaded library; required ones are never null.
struct Tables {
  const gw_context_api* context = nullptr;
  const gw_config_api* config = nullptr;
  const gw_attribute_api* attribute = nullptr;
  const gw_text_api* text = nullptr;
  const gw_exchange_api* exchange = nullptr;
  const gw_stream_api* stream = nullptr;
  const gw_worker_api* worker = nullptr;
  const gw_timer_api* timer = nullptr;
  const gw_fd_api* fd = nullptr;
  const gw_turn_api* turn = nullptr;
  const gw_post_api* post = nullptr;
  const gw_resolve_api* resolve = nullptr;
  const gw_call_api* call = nullptr;
  const gw_offload_api* offload = nullptr;
  const gw_log_api* log = nullptr;
  const gw_clock_api* clock = nullptr;
  const gw_random_api* random = nullptr;
  const gw_metrics_api* metrics = nullptr;
  const gw_health_api* health = nullptr;
  const gw_report_api* report = nullptr;
  const gw_successor_api* successor = nullptr;

  void load(const gw_host* host) {
    auto get = [host](auto& table, const char* id) {
      table = static_cast<std::remove_reference_t<decltype(table)>>(host->get_interface(host, id));
    };
    get(context, GW_CONTEXT_ID), get(config, GW_CONFIG_ID), get(attribute, GW_ATTRIBUTE_ID);
    get(text, GW_TEXT_ID), get(exchange, GW_EXCHANGE_ID), get(stream, GW_STREAM_ID);
    get(worker, GW_WORKER_ID), get(timer, GW_TIMER_ID), get(fd, GW_FD_ID), get(turn, GW_TURN_ID);
    get(post, GW_POST_ID), get(resolve, GW_RESOLVE_ID), get(call, GW_CALL_ID);
    get(log, GW_LOG_ID), get(clock, GW_CLOCK_ID), get(random, GW_RANDOM_ID);
    get(metrics, GW_METRICS_ID), get(health, GW_HEALTH_ID);
    get(report, GW_REPORT_ID), get(successor, GW_SUCCESSOR_ID), get(offload, GW_OFFLOAD_ID);
  }
};

inline Tables tables;

}  // namespace gw
