// SPDX-License-Identifier: Apache-2.0
#include "rules.h"

#include <algorithm>

namespace gw::auth {

std::string Rules::add(std::vector<std::string> methods, std::string_view path, Access access,
                       std::optional<std::size_t> requirement) {
  Rule rule{std::move(methods), PathPattern(), {access, requirement}};
  std::string error = rule.path.compile(path);
  if (!error.empty()) return "\"" + std::string(path) + "\": " + error;
  rules_.push_back(std::move(rule));
  return {};
}

Rules::Decision Rules::decide(std::string_view method, std::string_view path) const {
  for (const Rule& rule : rules_) {
    if (!rule.path.match(path)) continue;
    if (rule.methods.empty() ||
        std::find(rule.methods.begin(), rule.methods.end(), method) != rule.methods.end())
      return rule.decision;
  }
  return {};
}

void add_default_rules(Rules& rules) {
  auto open = [&rules](std::vector<std::string> methods, const char* path) {
    rules.add(std::move(methods), path, Access::kPublic);
  };
  for (const char* path : {"/actuator/**", "/health/**", "/swagger-ui/**", "/swagger-ui.html",
                           "/v3/api-docs/**", "/.well-known/**"})
    open({}, path);
  for (const char* service :
       {"auth", "product", "reservation", "reservation-seat", "arthall", "ticket"})
    open({}, ("/" + std::string(service) + "-service/v3/api-docs/**").c_str());
  for (const char* call : {"login", "register", "refresh", "check-email"})
    open({}, ("/api/v1/auth/" + std::string(call)).c_str());
  open({"GET"}, "/api/v1/products");
  open({"GET"}, "/api/v1/products/*");
  open({"GET"}, "/api/v1/arthalls/**");
  open({"POST"}, "/api/v1/tickets/*/use");
  open({"GET"}, "/api/v1/auth/oauth/*/callback");
  open({"GET"}, "/api/v1/auth/oauth/*");
}

}  // namespace gw::auth
