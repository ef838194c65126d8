// SPDX-License-Identifier: Apache-2.0
#include "pipeline/attributes.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

namespace gw::pipeline {

namespace {

constexpr std::size_t kMostNameBytes = 128;

// Process-wide, because numbers outlive every generation and instances of old and new ones meet in
// an exchange.
struct Names {
  std::mutex mutex;
  std::map<std::string, std::uint32_t, std::less<>> numbers{{"client.address", kClientAddress},
                                                            {"client.scheme", kClientScheme},
                                                            {"request.id", kRequestId},
                                                            {"trace.id", kTraceId}};
};

Names& names() {
  static Names* all = new Names;  // never destroyed: plugins' threads may outlive main
  return *all;
}

}  // namespace

std::uint32_t intern_attribute(std::string_view name) {
  if (name.empty() || name.size() > kMostNameBytes) return 0;
  std::lock_guard lock(names().mutex);
  auto& numbers = names().numbers;
  auto found = numbers.find(name);
  if (found != numbers.end()) return found->second;
  if (numbers.size() >= kMostAttributes) return 0;
  const auto number = static_cast<std::uint32_t>(numbers.size()) + 1;
  numbers.emplace(name, number);
  return number;
}

std::string attribute_name(std::uint32_t attribute) {
  std::lock_guard lock(names().mutex);
  for (const auto& [name, number] : names().numbers)
    if (number == attribute) return name;
  return "";
}

bool AttributeValues::set(base::Arena& arena, std::uint32_t attribute, std::string_view value) {
  if (attribute >= size_ && !grow(arena, attribute)) return false;
  const std::string_view copy = value.empty() ? std::string_view("") : arena.copy(value);
  if (copy.data() == nullptr) return false;
  values_[attribute] = copy;
  return true;
}

bool AttributeValues::grow(base::Arena& arena, std::uint32_t attribute) {
  const std::uint32_t size = std::max({attribute + 2, 2 * size_, 4u});
  void* memory = arena.try_allocate(size * sizeof(std::string_view));
  if (memory == nullptr) return false;
  auto* grown = static_cast<std::string_view*>(memory);
  std::uninitialized_copy_n(values_, size_, grown);
  std::uninitialized_value_construct_n(grown + size_, size - size_);
  values_ = grown;
  size_ = size;
  return true;
}

}  // namespace gw::pipeline
