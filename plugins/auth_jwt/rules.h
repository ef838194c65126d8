// SPDX-License-Identifier: Apache-2.0
//
// Who may go where: a list of rules over method and canonical path. The first that matches decides;
// where none does, a valid token is needed.
#pragma once

#include <cstddef>
#include <gateway/path_pattern.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::auth {

enum class Access { kPublic, kToken, kDeny };

class Rules {
 public:
  // Appends a rule. `methods`: exact, empty for all; GET does not stand for HEAD. `path`: as
  // Spring's PathPattern. `requirement`: an index into TokenPolicy::requirements. Returns the error
  // in `path`; empty: none.
  std::string add(std::vector<std::string> methods, std::string_view path, Access access,
                  std::optional<std::size_t> requirement = std::nullopt);

  struct Decision {
    Access access = Access::kToken;
    std::optional<std::size_t> requirement;
  };
  // `path` is the exchange's canonical path. Allocates nothing.
  Decision decide(std::string_view method, std::string_view path) const;

 private:
  struct Rule {
    std::vector<std::string> methods;
    PathPattern path;
    Decision decision;
  };
  std::vector<Rule> rules_;
};

// Appends the public paths that every gateway of this kind starts with.
void add_default_rules(Rules& rules);

}  // namespace gw::auth
