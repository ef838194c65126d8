// SPDX-License-Identifier: Apache-2.0
//
// Attributes: values by which plugins speak to each other about an exchange. Names become small
// numbers once, at load; an exchange keeps its values in an array by number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/arena.h"

namespace gw::pipeline {

// Those that the core provides or reads have fixed numbers.
enum : std::uint32_t { kClientAddress = 1, kClientScheme = 2, kRequestId = 3, kTraceId = 4 };

// [any thread] The number of a name, the same as long as the process runs; 0 when kMostAttributes
// names exist, or the name is empty or longer than 128 bytes.
constexpr std::uint32_t kMostAttributes = 1024;
std::uint32_t intern_attribute(std::string_view name);
// Empty: no name has that number.
std::string attribute_name(std::uint32_t attribute);

// One exchange's values, in its arena. One thread.
class AttributeValues {
 public:
  static constexpr std::size_t kMostBytes = 16 * 1024;  // of one value

  void reset() { values_ = nullptr, size_ = 0; }
  // A view with null data() when unset.
  std::string_view get(std::uint32_t attribute) const {
    return attribute < size_ ? values_[attribute] : std::string_view();
  }
  // Copies. False: no room in the arena.
  bool set(base::Arena& arena, std::uint32_t attribute, std::string_view value);

 private:
  bool grow(base::Arena& arena, std::uint32_t attribute);

  std::string_view* values_ = nullptr;
  std::uint32_t size_ = 0;
};

}  // namespace gw::pipeline
