// SPDX-License-Identifier: Apache-2.0
//
// The JSON that clients see: envelopes of answers that are not errors of the gateway.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pace.h"
#include "store.h"
#include "text_buffer.h"

namespace gw::queue {

// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// {"totalQueueSize":3,"userQueuePosition":1,"usersBehind":2}, and when it can be said
// "estimatedWaitSeconds":{"min":30,"max":90}.
class PlaceText {
 public:
  PlaceText(const Place& place, const Pace& pace);
  std::string_view view() const { return text_.view(); }

 private:
  TextBuffer<256> text_;
};

// {"success":true,"message":...,"data":...,"timestamp":...}; an empty message or data is left out.
std::string success_json(std::string_view message, std::string_view data, std::int64_t wall_ms);

// The envelope of an error that the host would word, or count, otherwise.
struct Failure {
  std::string_view code, message;
  std::uint32_t status;
  std::string_view path;
  std::string_view trace_id;  // left out when empty
  std::int64_t wall_ms;
};
std::string failure_json(const Failure& failure);

}  // namespace gw::queue
