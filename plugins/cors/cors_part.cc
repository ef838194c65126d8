// SPDX-License-Identifier: Apache-2.0
#include "cors_part.h"

#include <algorithm>
#include <array>

namespace gw::cors {
namespace {

constexpr std::array<std::string_view, 3> kVary = {"Origin", "Access-Control-Request-Method",
                                                   "Access-Control-Request-Headers"};
constexpr std::string_view kWholeVary =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
constexpr std::string_view kAllowOrigin = "Access-Control-Allow-Origin";
constexpr std::string_view kAllowCredentials = "Access-Control-Allow-Credentials";
constexpr std::string_view kExposeHeaders = "Access-Control-Expose-Headers";

constexpr std::size_t kMostAllowBytes = 4096;  // of Access-Control-Allow-Headers

bool names(std::string_view list, std::string_view wanted) {
  for (bool more = true; more;) {
    const std::size_t comma = list.find(',');
    more = comma != std::string_view::npos;
    std::string_view word = list.substr(0, comma);
    if (more) list.remove_prefix(comma + 1);
    const std::size_t first = word.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;
    word = word.substr(first, word.find_last_not_of(" \t") - first + 1);
    if (word == "*" || same_text(word, wanted)) return true;
  }
  return false;
}

// What the answer says already stays.
void add_vary(Exchange x) {
  bool any = false;
  std::array<bool, kVary.size()> there{};
  for (std::uint32_t i = 0; auto value = x.header(GW_RESPONSE, "Vary", i); ++i) {
    any = true;
    for (std::size_t k = 0; k < kVary.size(); ++k) there[k] |= names(*value, kVary[k]);
  }
  if (!any) return void(x.add_header(GW_RESPONSE, "Vary", kWholeVary));
  for (std::size_t k = 0; k < kVary.size(); ++k)
    if (!there[k]) x.add_header(GW_RESPONSE, "Vary", kVary[k]);
}

Verdict refuse(Exchange x) {
  return x.fail(403, "FORBIDDEN", {}, {{"Vary", kWholeVary}});
}

}  // namespace

Verdict CorsPart::on_request_head(Exchange x, void*& slot) {
  const gw_request request = x.request();
  const auto rule = std::find_if(rules_.begin(), rules_.end(), [&](const Rule& one) {
    return one.path.match(view(request.path));
  });
  if (rule == rules_.end()) return GW_CONTINUE;

  std::string_view allowed;
  if (const auto origin = x.header(GW_REQUEST, "Origin")) {
    const auto parsed = parse_origin(*origin);
    if (x.header(GW_REQUEST, "Origin", 1) || (!parsed && *origin != "null")) return refuse(x);
    const bool same = parsed && is_same_origin(*parsed, x.attribute(scheme_).value_or("http"),
                                               view(request.authority));
    if (!same) {
      allowed = rule->allow_origin(*origin);
      if (allowed.empty()) return refuse(x);
    }
    const auto wanted = x.header(GW_REQUEST, "Access-Control-Request-Method");
    if (wanted && view(request.method) == "OPTIONS")
      return answer_preflight(x, *rule, allowed, *wanted);
    if (!same && !rule->allows_method(view(request.method))) return refuse(x);
  }
  slot = x.make<Grant>(&*rule, x.keep(allowed));
  return GW_CONTINUE;
}

// An `origin` that is empty is the gateway's own: there is nothing to allow.
Verdict CorsPart::answer_preflight(Exchange x, const Rule& rule, std::string_view origin,
                                   std::string_view method) {
  std::array<gw_header, 8> headers;
  std::uint32_t count = 0;
  const auto add = [&](std::string_view name, std::string_view value) {
    headers[count++] = {str(name), str(value)};
  };
  add("Vary", kWholeVary);
  if (!origin.empty()) {
    if (!rule.allows_method(method)) return refuse(x);
    bool asked = false;
    scratch_.clear();
    for (std::uint32_t i = 0;
         auto listed = x.header(GW_REQUEST, "Access-Control-Request-Headers", i); ++i) {
      asked |= listed->find_first_not_of(" \t,") != std::string_view::npos;
      rule.allow_headers(*listed, scratch_);
    }
    if (asked && (scratch_.empty() || scratch_.size() > kMostAllowBytes)) return refuse(x);
    add(kAllowOrigin, origin);
    add("Access-Control-Allow-Methods", rule.any_method ? method : rule.methods_text);
    if (!scratch_.empty()) add("Access-Control-Allow-Headers", scratch_);
    if (!rule.exposed_text.empty()) add(kExposeHeaders, rule.exposed_text);
    if (rule.credentials) add(kAllowCredentials, "true");
    if (!rule.max_age_text.empty()) add("Access-Control-Max-Age", rule.max_age_text);
  }
  if (tables.exchange->reply(x.raw(), 200, headers.data(), count, gw_str{}) != GW_OK)
    return x.fail(500, "INTERNAL_SERVER_ERROR");
  return GW_REPLIED;
}

// The rule alone decides about origin and credentials, whatever a service says.
Verdict CorsPart::on_response_head(Exchange x, void*& slot) {
  const auto* grant = static_cast<const Grant*>(slot);
  if (grant == nullptr) return GW_CONTINUE;
  add_vary(x);
  if (grant->origin.empty()) return GW_CONTINUE;
  x.set_header(GW_RESPONSE, kAllowOrigin, grant->origin);
  if (grant->rule->credentials) {
    x.set_header(GW_RESPONSE, kAllowCredentials, "true");
  } else {
    x.remove_header(GW_RESPONSE, kAllowCredentials);
  }
  if (!grant->rule->exposed_text.empty())
    x.add_header(GW_RESPONSE, kExposeHeaders, grant->rule->exposed_text);
  return GW_CONTINUE;
}

}  // namespace gw::cors
