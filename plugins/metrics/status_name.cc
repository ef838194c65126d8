// SPDX-License-Identifier: Apache-2.0
#include "status_name.h"

#include <algorithm>
#include <array>

namespace gw::metrics {
namespace {

constexpr std::array<std::string_view, kMethodCount> kMethods = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"};

struct Status {
  std::uint32_t code;
  std::string_view name;
};
constexpr Status kStatuses[] = {
    {100, "CONTINUE"},
    {101, "SWITCHING_PROTOCOLS"},
    {102, "PROCESSING"},
    {103, "EARLY_HINTS"},
    {200, "OK"},
    {201, "CREATED"},
    {202, "ACCEPTED"},
    {203, "NON_AUTHORITATIVE_INFORMATION"},
    {204, "NO_CONTENT"},
    {205, "RESET_CONTENT"},
    {206, "PARTIAL_CONTENT"},
    {207, "MULTI_STATUS"},
    {208, "ALREADY_REPORTED"},
    {226, "IM_USED"},
    {300, "MULTIPLE_CHOICES"},
    {301, "MOVED_PERMANENTLY"},
    {302, "FOUND"},
    {303, "SEE_OTHER"},
    {304, "NOT_MODIFIED"},
    {307, "TEMPORARY_REDIRECT"},
    {308, "PERMANENT_REDIRECT"},
    {400, "BAD_REQUEST"},
    {401, "UNAUTHORIZED"},
    {402, "PAYMENT_REQUIRED"},
    {403, "FORBIDDEN"},
    {404, "NOT_FOUND"},
    {405, "METHOD_NOT_ALLOWED"},
    {406, "NOT_ACCEPTABLE"},
    {407, "PROXY_AUTHENTICATION_REQUIRED"},
    {408, "REQUEST_TIMEOUT"},
    {409, "CONFLICT"},
    {410, "GONE"},
    {411, "LENGTH_REQUIRED"},
    {412, "PRECONDITION_FAILED"},
    {413, "PAYLOAD_TOO_LARGE"},
    {414, "URI_TOO_LONG"},
    {415, "UNSUPPORTED_MEDIA_TYPE"},
    {416, "REQUESTED_RANGE_NOT_SATISFIABLE"},
    {417, "EXPECTATION_FAILED"},
    {418, "I_AM_A_TEAPOT"},
    {421, "MISDIRECTED_REQUEST"},
    {422, "UNPROCESSABLE_ENTITY"},
    {423, "LOCKED"},
    {424, "FAILED_DEPENDENCY"},
    {425, "TOO_EARLY"},
    {426, "UPGRADE_REQUIRED"},
    {428, "PRECONDITION_REQUIRED"},
    {429, "TOO_MANY_REQUESTS"},
    {431, "REQUEST_HEADER_FIELDS_TOO_LARGE"},
    {451, "UNAVAILABLE_FOR_LEGAL_REASONS"},
    {500, "INTERNAL_SERVER_ERROR"},
    {501, "NOT_IMPLEMENTED"},
    {502, "BAD_GATEWAY"},
    {503, "SERVICE_UNAVAILABLE"},
    {504, "GATEWAY_TIMEOUT"},
    {505, "HTTP_VERSION_NOT_SUPPORTED"},
    {507, "INSUFFICIENT_STORAGE"},
    {508, "LOOP_DETECTED"},
    {511, "NETWORK_AUTHENTICATION_REQUIRED"},
};

}  // namespace

std::uint32_t method_index(std::string_view method) {
  auto found = std::find(kMethods.begin(), kMethods.end() - 1, method);
  return static_cast<std::uint32_t>(found - kMethods.begin());
}

std::string_view method_label(std::uint32_t index) {
  return kMethods[index];
}

std::string_view outcome_name(std::uint32_t status) {
  switch (status / 100) {
    case 1:
      return "INFORMATIONAL";
    case 2:
      return "SUCCESS";
    case 3:
      return "REDIRECTION";
    case 4:
      return "CLIENT_ERROR";
    case 5:
      return "SERVER_ERROR";
    default:
      return "UNKNOWN";
  }
}

std::string_view status_name(std::uint32_t status) {
  const auto* found =
      std::lower_bound(std::begin(kStatuses), std::end(kStatuses), status,
                       [](const Status& s, std::uint32_t code) { return s.code < code; });
  return found != std::end(kStatuses) && found->code == status ? found->name : "CUSTOM";
}

}  // namespace gw::metrics
