// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include <algorithm>
#include <gateway/json.hpp>

#include "timestamp.h"

namespace gw::queue {

void append_json_string(std::string& out, std::string_view text) {
  out += dump_json(nlohmann::json(text));
}

std::string place_json(const Place& place) {
  std::string out = "{\"totalQueueSize\":" + std::to_string(place.total);
  out += ",\"userQueuePosition\":" + std::to_string(place.position);
  out += ",\"usersBehind\":" + std::to_string(place.total - std::min(place.total, place.position)) +
         "}";
  return out;
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

std::string failure_json(std::string_view code, std::string_view message, std::uint32_t status,
                         std::string_view path, std::int64_t wall_ms) {
  std::string out = "{\"success\":false,\"error\":{\"code\":";
  append_json_string(out, code);
  out += ",\"message\":";
  append_json_string(out, message);
  out += ",\"status\":" + std::to_string(status) + ",\"path\":";
  append_json_string(out, path);
  return out + "},\"timestamp\":\"" + iso_timestamp(wall_ms) + "\"}";
}

}  // namespace gw::queue
