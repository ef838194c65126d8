// SPDX-License-Identifier: Apache-2.0
//
// Blob: values in a row of bytes, for what one build of this plugin hands over to the next
// (handover.cc). Numbers are little-endian, texts have their length in front. A reader never reads
// past the end: then, and from then on, it gives zeros and is not good.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gw::queue {

// Of all blobs; another one means another layout.
inline constexpr std::uint32_t kBlobFormat = 1;

class BlobWriter {
 public:
  explicit BlobWriter(std::string& out) : out_(out) {}
  void number(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) out_ += static_cast<char>(value >> (8 * i));
  }
  void byte(std::uint8_t value) { out_ += static_cast<char>(value); }
  void text(std::string_view value) {
    number(value.size());
    out_ += value;
  }

 private:
  std::string& out_;
};

class BlobReader {
 public:
  explicit BlobReader(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    const std::string_view bytes = take(8);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return value;
  }
  std::uint8_t byte() {
    const std::string_view bytes = take(1);
    return bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
  }
  std::string_view text() { return take(number()); }
  // How many of something: never more than there are bytes left for.
  std::uint64_t count() {
    const std::uint64_t wanted = number();
    if (wanted > rest_.size()) good_ = false;
    return good_ ? wanted : 0;
  }
  bool good() const { return good_; }
  bool whole() const { return good_ && rest_.empty(); }

 private:
  std::string_view take(std::uint64_t size) {
    if (!good_ || size > rest_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace gw::queue
