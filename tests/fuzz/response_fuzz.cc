// SPDX-License-Identifier: Apache-2.0
//
// The head of a service's answer. The first byte says whether HEAD was asked.
#include <algorithm>

#include "fuzz.h"
#include "http/head_parser.h"
#include "http/response_reader.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gw::http;
  if (size == 0) return 0;
  const bool to_head_request = data[0] % 2 == 1;
  const std::string_view text = gw::fuzz::text_of(data + 1, size - 1);
  static gw::base::ChunkPool pool;
  gw::base::Arena arena(pool);
  HeadParser parser;
  parser.start(false, arena, 200);
  gw::fuzz::Cuts cuts(text);
  HeadParser::Result result = HeadParser::Result::kMore;
  for (std::size_t given = 0; result == HeadParser::Result::kMore && given < text.size();) {
    given = std::min(text.size(), given + cuts.next(32));
    result = parser.feed(text.data(), given);
  }
  if (result != HeadParser::Result::kDone) return 0;
  ResponseHead head(arena);
  const ResponseFacts facts = read_response(parser, text.data(), to_head_request, head);
  if (facts.problem != nullptr) return 0;
  GW_CHECK(head.status >= 100 && head.status <= 999);
  GW_CHECK(!to_head_request || facts.body == Framing::kNone);
  for (const Field& field : head.fields) {
    GW_CHECK(is_field_name(field.name) && is_received_value(field.value));
    GW_CHECK(!is_framing_name(field.name));
  }
  return 0;
}
