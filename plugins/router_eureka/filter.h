// SPDX-License-Identifier: Apache-2.0
//
// Route filters: what a route changes in the heads on their way. Immutable once compiled, usable
// from any thread; what they change stands behind RequestChange and ResponseChange, so that they
// know no ABI.
#pragma once

#include <cstdint>
#include <gateway/path_pattern.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shortcut.h"

namespace gw::router {

// The fields of one message. What is refused (a framing name, a bad value) is not changed.
class Headers {
 public:
  virtual std::optional<std::string_view> get(std::string_view name, std::uint32_t nth) const = 0;
  virtual void set(std::string_view name, std::string_view value) = 0;
  virtual void add(std::string_view name, std::string_view value) = 0;
  virtual void remove(std::string_view name) = 0;
  // A copy that lives as long as the exchange.
  virtual std::string_view keep(std::string_view text) = 0;

 protected:
  ~Headers() = default;
};

// A request on its way to the upstream.
struct RequestChange {
  Headers& headers;
  const PathCaptures& captures;
  std::string& path;     // in and out
  std::string& scratch;  // free for use: its memory is kept between requests
  bool preserve_host = false;
  std::string_view host{};       // to send; as long as the route
  std::uint64_t body_limit = 0;  // 0: not limited by a filter
};

struct ResponseChange {
  Headers& headers;
  std::uint32_t status = 0;  // in and out
};

class Filter {
 public:
  virtual ~Filter() = default;
  virtual void on_request(RequestChange&) const {}
  virtual void on_response(ResponseChange&) const {}
  // As /actuator/gateway/routes shows it, without the order.
  virtual std::string text() const = 0;
};

// Null with `error`.
std::unique_ptr<Filter> compile_filter(const Shortcut& shortcut, std::string& error);

// Text with {variables} of the route's path patterns. An unknown variable stays as it is written.
class Template {
 public:
  explicit Template(std::string_view text);
  void append_to(std::string& out, const PathCaptures& captures) const;
  const std::string& text() const { return text_; }

 private:
  struct Piece {
    bool variable;
    std::string text;
  };
  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace gw::router
