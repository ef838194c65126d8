// SPDX-License-Identifier: Apache-2.0
//
// Route predicates. Immutable once compiled, usable from any thread; a match allocates nothing
// unless a query holds escapes.
#pragma once

#include <gateway/path_pattern.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shortcut.h"

namespace gw::router {

// What predicates look at. Views of the exchange.
class RequestView {
 public:
  std::string_view method, path, query, authority;
  // The nth value of a header (any case).
  virtual std::optional<std::string_view> header(std::string_view name,
                                                 std::uint32_t nth) const = 0;

 protected:
  ~RequestView() = default;
};

class Predicate {
 public:
  virtual ~Predicate() = default;
  // `captures` is filled by a Path that matches.
  virtual bool matches(const RequestView& request, PathCaptures& captures) const = 0;
  // As /actuator/gateway/routes shows it.
  virtual std::string text() const = 0;
};

// Path, Method, Host, Header, Query. Null with `error`.
std::unique_ptr<Predicate> compile_predicate(const Shortcut& shortcut, std::string& error);

// Does an Ant pattern of hosts match: '*' within a part, '**' any parts, '?', '{name}' as '*'; any
// case.
bool match_host(std::string_view pattern, std::string_view host);

}  // namespace gw::router
