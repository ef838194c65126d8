// SPDX-License-Identifier: Apache-2.0
//
// HeadWriter: heads as bytes. One per worker: the text is built in one piece of memory that is used
// again and again, with the Date of the current second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/message.h"
#include "http/server_settings.h"

namespace gw::http {

// How the answer's body leaves.
enum class OutFraming : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

struct AnswerFrame {
  OutFraming framing = OutFraming::kNone;
  bool say_length = false;  // Content-Length, also where no body follows (HEAD, 304)
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  std::uint8_t client_minor = 1;
  bool upgrade = false;  // 101 to WebSocket
  bool https = false;    // how the client came, as far as is known
};

class HeadWriter {
 public:
  explicit HeadWriter(const base::Clock& clock);

  // Each view is valid until the next call.
  std::string_view final_answer(const ResponseHead& head, const AnswerFrame& frame,
                                const ServerSettings& settings);
  std::string_view informational(const ResponseHead& head);
  std::string_view request(const RequestHead& head, std::string_view host);

  std::int64_t wall_ms() const { return clock_.wall_ms(); }

 private:
  void make_room(std::size_t bytes) {
    if (room_ - used_ < bytes) grow(bytes);
  }
  void grow(std::size_t bytes);
  char* end() const { return text_.get() + used_; }
  void set_end(const char* end) { used_ = static_cast<std::size_t>(end - text_.get()); }
  std::string_view finish();
  void start_line(std::uint16_t status, std::string_view reason);
  void field(std::string_view name, std::string_view value);
  void fields(const FieldList& list);
  void number_field(std::string_view name, std::uint64_t value);
  void date();
  void upgrade();
  void groups(const ResponseHead& head, bool https, const ServerSettings& settings);

  const base::Clock& clock_;
  std::unique_ptr<char[]> text_;
  std::size_t used_ = 0;
  std::size_t room_ = 0;
  std::int64_t date_second_ = -1;
  std::string date_;
};

std::string_view reason_phrase(std::uint16_t status);

}  // namespace gw::http
