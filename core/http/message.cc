// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace gw::http {

namespace {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr std::array<bool, 256> kToken = make_token_table();

constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255;

template <class Word>
Word word_at(const char* text) {
  Word word;
  std::memcpy(&word, text, sizeof word);
  return word;
}

// Eight letters at a time: bytes that differ do so by the case of a letter alone.
bool same_word(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t differ = a ^ b;
  if (differ == 0) return true;
  if ((differ & ~(kOnes * 0x20)) != 0) return false;
  const std::uint64_t folded = (a | b) & kOnes * 0x7f;  // in lower case, where they differ
  const std::uint64_t from_a = folded + kOnes * (0x80 - 'a');
  const std::uint64_t behind_z = folded + kOnes * (0x7f - 'z');
  const std::uint64_t letters = from_a & ~behind_z & ~(a | b);
  return (differ << 2 & ~letters & kOnes * 0x80) == 0;
}

// RFC 9110 7.6.1, and what Spring Cloud Gateway removes beside it.
constexpr std::string_view kFramingNames[] = {"connection",
                                              "content-length",
                                              "expect",
                                              "host",
                                              "keep-alive",
                                              "proxy-connection",
                                              "proxy-authenticate",
                                              "proxy-authorization",
                                              "te",
                                              "trailer",
                                              "transfer-encoding",
                                              "upgrade"};

}  // namespace

bool same_letters(const char* a, const char* b, std::size_t size) {
  // The last word may overlap the one before.
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) {
      if (!same_word(word_at<std::uint64_t>(a + i), word_at<std::uint64_t>(b + i))) return false;
    }
    return same_word(word_at<std::uint64_t>(a + size - 8), word_at<std::uint64_t>(b + size - 8));
  }
  if (size >= 4) {
    const auto both = [size](const char* text) {
      return std::uint64_t{word_at<std::uint32_t>(text)} << 32 |
             word_at<std::uint32_t>(text + size - 4);
    };
    return same_word(both(a), both(b));
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (!same_word(static_cast<unsigned char>(a[i]), static_cast<unsigned char>(b[i])))
      return false;
  }
  return true;
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE";
}

bool is_field_name(std::string_view name) {
  if (name.empty()) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return kToken[static_cast<unsigned char>(c)]; });
}

bool is_field_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\t'; });
}

bool is_received_value(std::string_view value) {
  const auto allowed = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t';
  };
  const std::size_t size = value.size();
  std::uint64_t odd = 0;
  for (std::size_t i = 0; i < size; i += 8) {  // eight bytes at a time; all are usually plain
    std::uint64_t word = kOnes * ' ';
    if (size >= 8) {
      std::memcpy(&word, value.data() + std::min(i, size - 8), 8);  // the last ones may overlap
    } else {
      for (std::size_t k = 0; k < size; ++k)
        word = word << 8 | static_cast<unsigned char>(value[k]);
    }
    const std::uint64_t del = word ^ kOnes * 0x7f;
    odd |= (((word - kOnes * 0x20) & ~word) | ((del - kOnes) & ~del)) & kOnes * 0x80;
  }
  return odd == 0 || std::all_of(value.begin(), value.end(), allowed);
}

bool is_framing_name(std::string_view name) {
  return std::any_of(std::begin(kFramingNames), std::end(kFramingNames),
                     [name](std::string_view known) { return same_name(name, known); });
}

const Field* FieldList::search(std::string_view name, std::uint32_t nth) const {
  for (const Field& field : *this) {
    if (same_name(field.name, name) && nth-- == 0) return &field;
  }
  return nullptr;
}

bool FieldList::grow() {
  constexpr std::uint32_t kFirst = 16;
  return move_to(capacity_ == 0 ? kFirst : capacity_ * 2);
}

bool FieldList::move_to(std::uint32_t capacity) {
  capacity = std::min(kMost, capacity);
  if (capacity <= capacity_) return false;
  auto* fields = static_cast<Field*>(arena_->try_allocate(capacity * sizeof(Field)));
  if (fields == nullptr) return false;
  if (size_ > 0) std::memcpy(static_cast<void*>(fields), fields_, size_ * sizeof(Field));
  fields_ = fields;
  capacity_ = capacity;
  return true;
}

std::uint32_t FieldList::remove(std::string_view name) {
  if (find(name) == nullptr) return 0;
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i < size_; ++i) {
    if (!same_name(fields_[i].name, name)) fields_[kept++] = fields_[i];
  }
  const std::uint32_t removed = size_ - kept;
  size_ = kept;
  return removed;
}

}  // namespace gw::http
