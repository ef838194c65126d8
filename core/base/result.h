// SPDX-License-Identifier: Apache-2.0
//
// Result<T>: a value or the reason why there is none. Expected failures travel as values; nothing
// throws across rooms.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace gw::base {

// A failure in words for the operator: what was wrong and where.
struct Error {
  std::string message;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Checked: asking a failed result for its value is a bug.
  T& value() {
    GW_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const {
    GW_CHECK(ok());
    return std::get<0>(state_);
  }
  T& operator*() { return value(); }
  T* operator->() { return &value(); }
  const std::string& error() const {
    GW_CHECK(!ok());
    return std::get<1>(state_).message;
  }

 private:
  std::variant<T, Error> state_;
};

struct Nothing {};
using Status = Result<Nothing>;

}  // namespace gw::base
