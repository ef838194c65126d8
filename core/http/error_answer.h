// SPDX-License-Identifier: Apache-2.0
//
// The one place where a failed exchange becomes an answer: the failure envelope that every client
// knows,
//   {"success":false,"error":{"code","message","status","path"},"timestamp","traceId"}
#pragma once

#include <cstdint>
#include <string_view>

#include "base/arena.h"

namespace gw::http {

inline constexpr std::string_view kErrorContentType = "application/json";

struct ErrorAnswer {
  std::uint32_t status = 500;
  std::string_view code;        // "NOT_IN_QUEUE"
  std::string_view message;     // for the visitor; empty: the code again
  std::string_view path;        // as it was asked for; left out when empty
  std::string_view request_id;  // traceId; left out when empty
  std::int64_t wall_ms = 0;
};

// The envelope, in the arena; empty when there is no room. Any bytes may be in the texts: what is
// not UTF-8 or a control character is escaped.
std::string_view error_body(const ErrorAnswer& error, base::Arena& arena);

// The code that goes with a status when nobody named a better one.
std::string_view usual_error_code(std::uint32_t status);

}  // namespace gw::http
