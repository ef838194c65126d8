// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include <algorithm>
#include <gateway/json.hpp>

#include "timestamp.h"

namespace gw::queue {

void append_json_string(std::string& out, std::string_view text) {
  out += dump_json(nlohmann::json(text));
}

PlaceText::PlaceText(const Place& place, const Pace& pace) {
  const std::uint64_t behind = place.total - std::min(place.total, place.position);
  text_.add("{\"totalQueueSize\":").add(place.total);
  text_.add(",\"userQueuePosition\":").add(place.position);
  text_.add(",\"usersBehind\":").add(behind);
  if (const auto wait = pace.wait(place.position)) {
    text_.add(",\"estimatedWaitSeconds\":{\"min\":").add(wait->min);
    text_.add(",\"max\":").add(wait->max).add("}");
  }
  text_.add("}");
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
