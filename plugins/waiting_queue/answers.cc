// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <gateway/json.hpp>

#include "timestamp.h"

namespace gw::queue {

void append_json_string(std::string& out, std::string_view text) {
  out += dump_json(nlohmann::json(text));
}

std::string place_json(const Place& place, const Pace& pace) {
  char text[224];
  const auto wait = pace.wait(place.position);
  const int size = std::snprintf(
      text, sizeof text,
      "{\"totalQueueSize\":%" PRIu64 ",\"userQueuePosition\":%" PRIu64 ",\"usersBehind\":%" PRIu64,
      place.total, place.position, place.total - std::min(place.total, place.position));
  std::string out(text, static_cast<std::size_t>(size));
  if (wait)
    out.append(text, static_cast<std::size_t>(std::snprintf(
                         text, sizeof text,
                         ",\"estimatedWaitSeconds\":{\"min\":%" PRIu64 ",\"max\":%" PRIu64 "}",
                         wait->min, wait->max)));
  return out += '}';
}

std::string success_json(std::string_view message, std::string_view data, std::int64_t wall_ms) {
  std::string out = "{\"success\":true";
  if (!message.empty()) {
    out += ",\"message\":";
    append_json_string(out, message);
  }
  if (!data.empty()) out.append(",\"data\":").append(data);
  return out + ",\"timestamp\":\"" + iso_timestamp(wall_ms) + "\"}";
}

std::string failure_json(const Failure& failure) {
  std::string out = "{\"success\":false,\"error\":{\"code\":";
  append_json_string(out, failure.code);
  out += ",\"message\":";
  append_json_string(out, failure.message);
  out += ",\"status\":" + std::to_string(failure.status) + ",\"path\":";
  append_json_string(out, failure.path);
  out += "},\"timestamp\":\"" + iso_timestamp(failure.wall_ms) + "\"";
  if (!failure.trace_id.empty()) {
    out += ",\"traceId\":";
    append_json_string(out, failure.trace_id);
  }
  return out + "}";
}

}  // namespace gw::queue
