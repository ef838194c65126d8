// SPDX-License-Identifier: Apache-2.0
//
// What the router remembers of one exchange, in the exchange's memory, and the heads that its
// filters change.
#pragma once

#include <gateway/plugin.hpp>

#include "balancer.h"
#include "route.h"

namespace gw::router {

// Cells of gateway_upstream_attempts_total{service,result}, by result.
struct AttemptCells {
  std::string service;
  std::array<gw_cell*, 8> by_result{};
};

struct Trip {
  const Route* route;        // its filters; of the discovery locator: the bare one
  std::string_view service;  // lower case; empty: route->target.address
  AttemptCells* cells;
  Tried tried;
  std::uint32_t flags;  // GW_ENDPOINT_PRESERVE_HOST
  std::string_view host;
  std::uint64_t body_limit;
  bool last_failed;  // the last attempt brought no answer
};

class ExchangeView final : public RequestView {
 public:
  explicit ExchangeView(Exchange x) : x_(x) {
    gw_request request = x.request();
    method = view(request.method), path = view(request.path);
    query = view(request.query), authority = view(request.authority);
  }
  std::optional<std::string_view> header(std::string_view name, std::uint32_t nth) const override {
    return x_.header(GW_REQUEST, name, nth);
  }

 private:
  Exchange x_;
};

class ExchangeHeaders final : public Headers {
 public:
  ExchangeHeaders(Exchange x, std::int32_t message) : x_(x), message_(message) {}
  std::optional<std::string_view> get(std::string_view name, std::uint32_t nth) const override {
    return x_.header(message_, name, nth);
  }
  void set(std::string_view name, std::string_view value) override {
    x_.set_header(message_, name, value);
  }
  void add(std::string_view name, std::string_view value) override {
    x_.add_header(message_, name, value);
  }
  void remove(std::string_view name) override { x_.remove_header(message_, name); }
  std::string_view keep(std::string_view text) override { return x_.keep(text); }

 private:
  Exchange x_;
  std::int32_t message_;
};

}  // namespace gw::router
