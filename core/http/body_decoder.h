// SPDX-License-Identifier: Apache-2.0
//
// BodyDecoder: where a body ends, and the bytes between (RFC 9112 6 and 7). Strict: chunk sizes of
// at most 16 digits (leading zeros count), bounded extensions, trailers read and dropped within
// bounds, CRLF only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/message.h"

namespace gw::http {

class BodyDecoder {
 public:
  // More of them than what each chunk has room for: 16 and twice the bytes of its data.
  static constexpr std::uint32_t kMostExtensionBytes = 4096;
  static constexpr std::uint32_t kMostTrailerBytes = 8192;

  enum class Result {
    kData,  // `data` was found; call again with the rest
    kMore,  // the input is used up
    kEnd,   // the body is over; what is left of the input belongs to the next message
    kBad
  };

  void start(Framing framing, std::uint64_t content_length);
  // Takes from the front of `input`; `data` is a view into it. kEnd may come with data.
  Result next(std::string_view& input, std::string_view& data);
  bool ended() const { return state_ == State::kEnded; }
  // Bytes that are certain to come; 0 when that is not known.
  std::uint64_t left() const { return state_ == State::kLength ? left_ : 0; }
  // Bytes of the current chunk that have not come yet.
  std::uint64_t chunk_left() const { return state_ == State::kChunk ? left_ : 0; }
  bool until_close() const { return state_ == State::kUntilClose; }

 private:
  enum class State : std::uint8_t {
    kEnded,
    kLength,
    kUntilClose,
    kSize,            // first digit of a chunk size
    kSizeMore,        // further digits
    kExtensionStart,  // after ';'
    kExtensionName,
    kExtensionNameEnd,  // blanks behind it
    kExtensionEquals,   // after '='
    kExtensionValue,
    kQuoted,             // in a quoted value
    kQuotedPair,         // after '\' in it
    kQuotedEnd,          // after its last '"'
    kExtensionValueEnd,  // blanks behind a value
    kSizeLf,             // LF behind the size line
    kChunk,              // chunk data
    kChunkCr,            // CR behind it
    kChunkLf,
    kTrailer,  // start of a trailer line, or of the last CRLF
    kTrailerName,
    kTrailerLine,  // behind its colon
    kTrailerLf,    // LF behind one
    kLastLf        // LF of the last CRLF
  };
  bool take_framing(unsigned char byte);
  bool take_size(unsigned char byte);
  bool take_extension(unsigned char byte);
  bool take_trailer(unsigned char byte);

  State state_ = State::kEnded;
  std::uint8_t digits_ = 0;
  std::uint32_t extension_bytes_ = 0;
  std::uint32_t trailer_bytes_ = 0;
  std::uint64_t left_ = 0;
};

}  // namespace gw::http
