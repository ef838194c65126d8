// SPDX-License-Identifier: Apache-2.0
//
// Bytes lent to a plugin: each view is an allocation of its own, overwritten and freed when its
// time is over, so that a plugin that keeps one reads rubbish, and AddressSanitizer says where.
#pragma once

#include <gateway/abi/base.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace gw::testing {

inline std::string_view to_view(gw_str s) {
  return {s.ptr == nullptr ? "" : s.ptr, static_cast<std::size_t>(s.len)};
}

class ViewCopy {
 public:
  ViewCopy() = default;
  explicit ViewCopy(std::string_view text) : size_(text.size()), bytes_(new char[text.size()]) {
    if (size_ != 0) std::memcpy(bytes_.get(), text.data(), size_);
  }
  ViewCopy(ViewCopy&& other) noexcept
      : size_(std::exchange(other.size_, 0)), bytes_(std::move(other.bytes_)) {}
  ViewCopy& operator=(ViewCopy&& other) noexcept {
    std::swap(size_, other.size_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~ViewCopy() {
    if (size_ != 0) std::memset(bytes_.get(), 0xDD, size_);
  }
  std::string_view view() const { return {bytes_ ? bytes_.get() : "", size_}; }
  gw_str str() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_ = 0;
  std::unique_ptr<char[]> bytes_;
};

// Several that die together.
class ViewCopies {
 public:
  gw_str add(std::string_view text) { return copies_.emplace_back(text).str(); }

 private:
  std::vector<ViewCopy> copies_;
};

}  // namespace gw::testing
