// SPDX-License-Identifier: Apache-2.0
//
// The head of a service's answer: whatever is accepted must be sound, and the same however it is cut
// up. The first byte says whether HEAD was asked.
#include <algorithm>
#include <string>

#include "fuzz.h"
#include "http/head_parser.h"
#include "http/response_reader.h"

namespace {

using namespace gw::http;

// The answer as text, or that there is none.
std::string read(std::string_view text, bool to_head_request, gw::fuzz::Cuts* cuts) {
  static gw::base::ChunkPool pool;
  gw::base::Arena arena(pool);
  HeadParser parser;
  parser.start(false, arena, 200);
  HeadParser::Result result = HeadParser::Result::kMore;
  for (std::size_t given = 0; result == HeadParser::Result::kMore && given < text.size();) {
    given = cuts == nullptr ? text.size() : std::min(text.size(), given + cuts->next(32));
    result = parser.feed(text.data(), given);
  }
  if (result != HeadParser::Result::kDone) {
    return result == HeadParser::Result::kMore ? "more" : "refused";
  }
  ResponseHead head(arena);
  const ResponseFacts facts = read_response(parser, text.data(), to_head_request, head);
  if (facts.problem != nullptr) return "refused";
  GW_CHECK(head.status >= 100 && head.status <= 999);
  GW_CHECK(!to_head_request || facts.body == Framing::kNone);
  std::string out = std::to_string(head.status) + std::string(head.reason) +
                    (facts.keep_alive ? " keep " : " close ") +
                    std::to_string(static_cast<int>(facts.body)) + " " +
                    std::to_string(facts.body_bytes) + " " + std::to_string(parser.head_bytes());
  for (const Field& field : head.fields) {
    GW_CHECK(is_field_name(field.name) && is_received_value(field.value));
    GW_CHECK(!is_framing_name(field.name));
    out += "\n" + std::string(field.name) + ": " + std::string(field.value);
  }
  return out;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool to_head_request = data[0] % 2 == 1;
  const std::string_view text = gw::fuzz::text_of(data + 1, size - 1);
  gw::fuzz::Cuts cuts(text);
  GW_CHECK(read(text, to_head_request, nullptr) == read(text, to_head_request, &cuts));
  return 0;
}
