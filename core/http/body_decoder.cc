// SPDX-License-Identifier: Apache-2.0
#include "http/body_decoder.h"

#include <algorithm>

namespace gw::http {

namespace {

constexpr std::uint8_t kMostSizeDigits = 16;

bool is_text(unsigned char byte) {
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

bool is_name(unsigned char byte) {
  const auto letter = static_cast<char>(byte);
  return is_field_name({&letter, 1});
}

}  // namespace

void BodyDecoder::start(Framing framing, std::uint64_t content_length) {
  digits_ = 0;
  extension_bytes_ = trailer_bytes_ = 0;
  left_ = 0;
  switch (framing) {
    case Framing::kNone:
      state_ = State::kEnded;
      break;
    case Framing::kLength:
      left_ = content_length;
      state_ = content_length == 0 ? State::kEnded : State::kLength;
      break;
    case Framing::kChunked:
      state_ = State::kSize;
      break;
    case Framing::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

BodyDecoder::Result BodyDecoder::next(std::string_view& input, std::string_view& data) {
  data = {};
  while (true) {
    if (state_ == State::kEnded) return Result::kEnd;
    if (input.empty()) return Result::kMore;
    if (state_ == State::kUntilClose) {
      data = input;
      input = {};
      return Result::kData;
    }
    if (state_ == State::kLength || state_ == State::kChunk) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
      data = input.substr(0, size);
      input.remove_prefix(size);
      left_ -= size;
      if (left_ > 0) return Result::kData;
      if (state_ == State::kChunk) {
        state_ = State::kChunkCr;
        return Result::kData;
      }
      state_ = State::kEnded;
      return Result::kEnd;
    }
    if (!take_framing(static_cast<unsigned char>(input[0]))) return Result::kBad;
    input.remove_prefix(1);
  }
}

bool BodyDecoder::take_framing(unsigned char byte) {
  switch (state_) {
    case State::kChunkCr:
      state_ = State::kChunkLf;
      return byte == '\r';
    case State::kChunkLf:
      state_ = State::kSize;
      return byte == '\n';
    case State::kTrailer:
    case State::kTrailerName:
    case State::kTrailerLine:
    case State::kTrailerLf:
    case State::kLastLf:
      return take_trailer(byte);
    default:
      return take_size(byte);
  }
}

bool BodyDecoder::take_size(unsigned char byte) {
  if (state_ == State::kSize || state_ == State::kSizeMore) {
    const int digit = byte >= '0' && byte <= '9'   ? byte - '0'
                      : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                      : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                   : -1;
    if (state_ == State::kSize) {
      left_ = 0;
      digits_ = 0;
      state_ = State::kSizeMore;
      if (digit < 0) return false;
    }
    if (digit >= 0) {
      // 16 digits cannot overflow; a size that large is refused by whoever bounds bodies.
      if (++digits_ > kMostSizeDigits) return false;
      left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
      return true;
    }
  }
  if (state_ == State::kSizeLf) {
    const std::uint64_t room = 16 + 2 * std::min<std::uint64_t>(left_, kMostExtensionBytes);
    extension_bytes_ -= static_cast<std::uint32_t>(std::min<std::uint64_t>(extension_bytes_, room));
    state_ = left_ == 0 ? State::kTrailer : State::kChunk;
    return byte == '\n';
  }
  if (state_ != State::kSizeMore) return take_extension(byte);
  state_ = byte == '\r' ? State::kSizeLf : State::kExtensionStart;
  return byte == '\r' || byte == ';';
}

// RFC 9112 7.1.1; no blanks before the first ';', nor at the line's end.
bool BodyDecoder::take_extension(unsigned char byte) {
  if (++extension_bytes_ > kMostExtensionBytes) return false;
  const bool blank = byte == ' ' || byte == '\t';
  bool may_end = true;  // the line, here
  switch (state_) {
    case State::kExtensionStart:
      if (blank) return true;
      state_ = State::kExtensionName;
      return is_name(byte);
    case State::kExtensionEquals:
      if (blank) return true;
      state_ = byte == '"' ? State::kQuoted : State::kExtensionValue;
      return byte == '"' || is_name(byte);
    case State::kQuoted:
      if (byte == '\\') state_ = State::kQuotedPair;
      if (byte == '"') state_ = State::kQuotedEnd;
      return is_text(byte);
    case State::kQuotedPair:
      state_ = State::kQuoted;
      return is_text(byte);
    case State::kExtensionName:
    case State::kExtensionValue:
      if (is_name(byte)) return true;
      break;
    case State::kExtensionNameEnd:
    case State::kExtensionValueEnd:
      may_end = false;
      break;
    default:
      break;
  }
  const bool named = state_ == State::kExtensionName || state_ == State::kExtensionNameEnd;
  if (blank) {
    state_ = named ? State::kExtensionNameEnd : State::kExtensionValueEnd;
    return true;
  }
  if (byte == ';') {
    state_ = State::kExtensionStart;
    return true;
  }
  state_ = byte == '=' ? State::kExtensionEquals : State::kSizeLf;
  return byte == '=' ? named : byte == '\r' && may_end;
}

bool BodyDecoder::take_trailer(unsigned char byte) {
  if (++trailer_bytes_ > kMostTrailerBytes) return false;
  switch (state_) {
    case State::kTrailer:
      if (byte == '\r') {
        state_ = State::kLastLf;
        return true;
      }
      state_ = State::kTrailerName;
      return is_name(byte);
    case State::kTrailerName:
      if (byte != ':') return is_name(byte);
      state_ = State::kTrailerLine;
      return true;
    case State::kTrailerLine:
      if (byte == '\r') {
        state_ = State::kTrailerLf;
        return true;
      }
      return is_text(byte);
    case State::kTrailerLf:
      state_ = State::kTrailer;
      return byte == '\n';
    default:
      state_ = State::kEnded;
      return byte == '\n';
  }
}

}  // namespace gw::http
