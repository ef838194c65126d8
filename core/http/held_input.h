// SPDX-License-Identifier: Apache-2.0
//
// HeldInput: how a connection uses what it reads, and what it has read but cannot use yet.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace gw::http {

class HeldInput {
 public:
  bool empty() const { return bytes_ == nullptr; }
  std::size_t size() const { return empty() ? 0 : bytes_->size(); }

  // Behind what is held, while something is.
  void append(std::string_view more) { bytes_->append(more); }
  void clear() { bytes_.reset(); }

  // `step(input)` takes from the front of `input` and says whether to call it again. Gets what was
  // held, or else `input`; what it leaves is held.
  template <class Step>
  void pump(std::string_view input, Step&& step) {
    const std::unique_ptr<std::string> held = std::move(bytes_);
    if (held != nullptr) {
      GW_CHECK(input.empty());
      input = *held;
    }
    while (step(input)) {
    }
    if (!input.empty()) bytes_ = std::make_unique<std::string>(input);
  }

 private:
  std::unique_ptr<std::string> bytes_;
};

}  // namespace gw::http
