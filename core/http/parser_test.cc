// SPDX-License-Identifier: Apache-2.0
//
// Parsers of foreign bytes under random bytes: nothing may crash, whatever is accepted must be
// sound, and where the reads end must make no difference.
#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "http/body_decoder.h"
#include "http/canonical_path.h"
#include "http/error_answer.h"
#include "http/head_parser.h"
#include "http/head_text.h"
#include "http/request_reader.h"
#include "http/response_reader.h"

namespace gw::http {
namespace {

using Random = std::mt19937;

std::string mutate(std::string text, Random& random) {
  static constexpr std::string_view kPieces[] = {"\r\n",
                                                 "\n",
                                                 "\r",
                                                 " ",
                                                 "\t",
                                                 ":",
                                                 "\0",
                                                 "chunked",
                                                 ",",
                                                 "Content-Length: 5\r\n",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "Host: b\r\n",
                                                 "%2e",
                                                 "//",
                                                 "..",
                                                 "\x80",
                                                 "\xff",
                                                 "*",
                                                 "?",
                                                 "HTTP/1.1",
                                                 "http://",
                                                 "0",
                                                 "ffffffffffffffff",
                                                 ";",
                                                 "\"",
                                                 "_",
                                                 "Connection: host\r\n"};
  const int changes = 1 + static_cast<int>(random() % 4);
  for (int i = 0; i < changes && !text.empty(); ++i) {
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, 1 + random() % 5);
        break;
      case 2:
        text.insert(at, kPieces[random() % std::size(kPieces)]);
        break;
      default:
        text.insert(at, text.substr(random() % text.size(), random() % 20));
    }
  }
  return text;
}

// One request head read in pieces, as text: the refusal, or all that came of it.
std::string read_in_pieces(const std::string& text, Random* random) {
  base::ChunkPool pool;
  base::Arena arena(pool);
  HeadParser parser;
  parser.start(true, arena, 20);
  HeadText head;
  std::size_t given = 0;
  HeadParser::Result result = HeadParser::Result::kMore;
  while (result == HeadParser::Result::kMore && given < text.size()) {
    const std::size_t size = random == nullptr
                                 ? text.size()
                                 : std::min<std::size_t>(text.size() - given, 1 + (*random)() % 9);
    EXPECT_TRUE(head.add(arena, std::string_view(text).substr(given, size), true));
    given += size;
    result = parser.feed(head.data, head.size);
  }
  if (result != HeadParser::Result::kDone) {
    return result == HeadParser::Result::kMore ? "more" : "refused";
  }
  RequestHead request(arena);
  ServerSettings settings;
  settings.request_id = false;
  Sender sender;
  sender.address = "127.0.0.1";
  const RequestFacts facts = read_request(parser, head.data, settings, sender, request);
  if (facts.status != 0) return "refused";
  std::string out = std::to_string(parser.head_bytes()) + " " + std::string(request.method) + " " +
                    std::string(request.path) + "?" + std::string(request.query) + " " +
                    std::string(request.authority) + " " +
                    std::to_string(static_cast<int>(request.framing)) + " " +
                    std::to_string(request.content_length) + "\n";
  for (const Field& field : request.fields) {
    EXPECT_TRUE(is_field_name(field.name)) << field.name;
    EXPECT_TRUE(is_received_value(field.value)) << field.value;
    EXPECT_FALSE(is_framing_name(field.name)) << field.name;
    EXPECT_EQ(std::string_view::npos, field.name.find('_'));
    out += std::string(field.name) + ": " + std::string(field.value) + "\n";
  }
  if (request.path != "*") {
    const CanonicalPath again = make_canonical_path(request.path, arena);
    EXPECT_EQ(nullptr, again.problem) << request.path;
    EXPECT_EQ(request.path, again.path);
  }
  return out;
}

TEST(Parsers, RequestHeadsUnderMutation) {
  const std::uint32_t seed = 1;
  std::cout << "seed " << seed << "\n";
  Random random(seed);
  const std::vector<std::string> good = {
      "GET /a/b?c=d HTTP/1.1\r\nHost: example.org:80\r\nAccept: */*\r\nConnection: x\r\n\r\nrest",
      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Forwarded-For: 1.2.3.4\r\n\r\nhello",
      "PUT http://a/%41 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"};
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = mutate(good[random() % good.size()], random);
    SCOPED_TRACE(text);
    const std::string whole = read_in_pieces(text, nullptr);
    ASSERT_EQ(whole, read_in_pieces(text, &random));
    if (whole != "refused" && whole != "more") ++accepted;
  }
  EXPECT_GT(accepted, 1000);
}

// The short cut reads many bytes at a time: each byte at each place must be judged as llhttp judges.
TEST(Parsers, EveryByteAtEveryPlaceOfAField) {
  const std::string head = "GET /a HTTP/1.1\r\nHost: a\r\n";
  const std::string field = "a-name-longer-than-one-register: " + std::string(70, 'v') + "\r\n";
  Random random(5);
  for (std::size_t at = 0; at < field.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = head + field + "B: c\r\n\r\n";
      text[head.size() + at] = static_cast<char>(byte);
      ASSERT_EQ(read_in_pieces(text, &random), read_in_pieces(text, nullptr)) << at << " " << byte;
    }
  }
}

TEST(Parsers, NamesAreTheSameWhateverTheirCase) {
  const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string one(size, 'k');
        std::string other(size, 'K');
        one[at] = static_cast<char>(byte);
        for (const int differs : {0, 0x20, 1, 0x21, 0x80, 0xa0}) {
          other[at] = static_cast<char>(byte ^ differs);
          ASSERT_EQ(fold(one[at]) == fold(other[at]), same_name(one, other)) << one << " " << other;
        }
      }
    }
  }
}

// RFC 9110 5.5: blanks around a value are none of it, and tabs are blanks.
TEST(Parsers, TabsAroundALength) {
  const auto request = [](const std::string& value, const std::string& more = "") {
    return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:" + value + "\r\n" + more + "\r\n";
  };
  const std::string plain = read_in_pieces(request(" 5", "A: b\r\n"), nullptr);
  Random random(4);
  for (const char* value : {" 5\t", "\t5\t", " \t5 \t \t\t ", "5\t"}) {
    for (int i = 0; i < 20; ++i) {
      const std::string text = request(value, "A: b\r\n");
      const std::string seen = read_in_pieces(text, i == 0 ? nullptr : &random);
      ASSERT_EQ(std::to_string(text.size()) + plain.substr(plain.find(' ')), seen) << value;
    }
  }
  for (const char* value : {" 5\t5", "\t", " 5\t\v", " 5\t\r", " 5\t,", " \t-5\t"}) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ("refused", read_in_pieces(request(value), i == 0 ? nullptr : &random)) << value;
    }
  }
  for (const char* more :
       {"Content-Length: 5\r\n", "Content-Length:\t5\t\r\n", "Transfer-Encoding: chunked\r\n"}) {
    ASSERT_EQ("refused", read_in_pieces(request(" 5\t", more), nullptr)) << more;
  }
}

struct Decoded {
  BodyDecoder::Result result = BodyDecoder::Result::kMore;
  std::string body;
  std::size_t used = 0;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded decode(const std::string& text, Random* random) {
  BodyDecoder decoder;
  decoder.start(Framing::kChunked, 0);
  Decoded out;
  std::size_t given = 0;
  while (given < text.size()) {
    const std::size_t size = random == nullptr
                                 ? text.size()
                                 : std::min<std::size_t>(text.size() - given, 1 + (*random)() % 7);
    std::string_view input = std::string_view(text).substr(given, size);
    given += size;
    do {
      std::string_view data;
      out.result = decoder.next(input, data);
      out.body.append(data);
    } while (out.result == BodyDecoder::Result::kData);
    if (out.result == BodyDecoder::Result::kMore) continue;
    out.used = out.result == BodyDecoder::Result::kEnd ? given - input.size() : 0;
    return out;
  }
  return out;
}

TEST(Parsers, ChunkedBodiesUnderMutation) {
  const std::uint32_t seed = 2;
  std::cout << "seed " << seed << "\n";
  Random random(seed);
  const std::string good =
      "5;a\r\nhello\r\n1A; name =\tvalue "
      ";b;q=\"a\\\"[b\";c=d\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX: "
      "y\r\nZ:\r\n\r\nNEXT";
  EXPECT_EQ("helloabcdefghijklmnopqrstuvwxyz", decode(good, nullptr).body);
  EXPECT_EQ(good.size() - 4, decode(good, nullptr).used);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = mutate(good, random);
    SCOPED_TRACE(text);
    ASSERT_EQ(decode(text, nullptr), decode(text, &random));
  }
}

TEST(Parsers, ChunkExtensionsAreBoundedByWhatTheyComeWith) {
  const auto chunks = [](std::size_t count, std::size_t size, std::size_t extension) {
    std::ostringstream out;
    for (std::size_t i = 0; i < count; ++i)
      out << std::hex << size << ";" << std::string(extension, 'x') << "\r\n"
          << std::string(size, 'd') << "\r\n";
    return out.str() + "0\r\n\r\n";
  };
  const std::size_t most = BodyDecoder::kMostExtensionBytes;
  for (const auto& [text, whole] : {
           std::pair(chunks(5000, 1, 16), true),     // an endless stream of small events
           std::pair(chunks(100, 65536, 85), true),  // a signature for each chunk
           std::pair(chunks(1, 1, most - 1), true),  // its line's end counts
           std::pair(chunks(1, 100'000, most), false),
           std::pair(chunks(60, 1, 100), false),
       }) {
    EXPECT_EQ(whole, decode(text, nullptr).result == BodyDecoder::Result::kEnd)
        << text.substr(0, 120);
  }
}

TEST(Parsers, AnswersUnderMutation) {
  const std::uint32_t seed = 3;
  std::cout << "seed " << seed << "\n";
  Random random(seed);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = mutate(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive, x\r\nX: y\r\n\r\nhello",
        random);
    SCOPED_TRACE(text);
    base::ChunkPool pool;
    base::Arena arena(pool);
    HeadParser parser;
    parser.start(false, arena, 20);
    if (parser.feed(text.data(), text.size()) != HeadParser::Result::kDone) continue;
    ResponseHead head(arena);
    const ResponseFacts facts = read_response(parser, text.data(), random() % 2 == 0, head);
    if (facts.problem != nullptr) continue;
    for (const Field& field : head.fields) {
      EXPECT_TRUE(is_field_name(field.name));
      EXPECT_TRUE(is_received_value(field.value));
      EXPECT_FALSE(is_framing_name(field.name)) << field.name;
    }
  }
}

TEST(ErrorBody, EscapesWhateverComes) {
  base::ChunkPool pool;
  base::Arena arena(pool);
  ErrorAnswer error;
  error.status = 404;
  error.code = "NOT_FOUND";
  error.message = "없음 \"x\"";
  error.path = "/a\\\x01\xff\xc3";
  error.request_id = "id-1";
  EXPECT_EQ(
      "{\"success\":false,\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"없음 \\\"x\\\"\","
      "\"status\":404,\"path\":\"/a\\\\\\u0001\\u00ff\\u00c3\"},"
      "\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"traceId\":\"id-1\"}",
      error_body(error, arena));
}

}  // namespace
}  // namespace gw::http
