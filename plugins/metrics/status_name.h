// SPDX-License-Identifier: Apache-2.0
//
// The words that Spring's metrics use for methods and statuses.
#pragma once

#include <cstdint>
#include <string_view>

namespace gw::metrics {

// A small number for the methods that the gateway lets pass, in order; the last stands for all
// others.
constexpr std::uint32_t kMethodCount = 8;
std::uint32_t method_index(std::string_view method);
std::string_view method_label(std::uint32_t index);  // "GET" ... "OTHER"

// "SUCCESS", "CLIENT_ERROR" ... as Micrometer's Outcome has them; "UNKNOWN" outside 100 .. 599.
std::string_view outcome_name(std::uint32_t status);

// The name of Spring's HttpStatus ("NOT_FOUND"), or "CUSTOM".
std::string_view status_name(std::uint32_t status);

}  // namespace gw::metrics
