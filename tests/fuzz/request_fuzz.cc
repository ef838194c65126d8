// SPDX-License-Identifier: Apache-2.0
//
// A request's head, then its body, as the server connection takes them: whatever is accepted must
// be sound, and the same however it is cut up.
#include <algorithm>
#include <string>

#include "fuzz.h"
#include "http/body_decoder.h"
#include "http/canonical_path.h"
#include "http/head_parser.h"
#include "http/head_text.h"
#include "http/request_reader.h"

namespace {

using namespace gw::http;

ServerSettings settings_of_target() {
  ServerSettings settings;
  settings.trusted = [](std::string_view address) { return address.starts_with("10."); };
  return settings;
}

void check_fields(const FieldList& fields) {
  for (const Field& field : fields) {
    GW_CHECK(is_field_name(field.name) && is_received_value(field.value));
    GW_CHECK(!is_framing_name(field.name) && field.name.find('_') == std::string_view::npos);
  }
}

void check_path(std::string_view path, gw::base::Arena& arena) {
  if (path == "*") return;
  const CanonicalPath again = make_canonical_path(path, arena);
  GW_CHECK(again.problem == nullptr && again.path == path);
}

std::string body_of(const RequestHead& head, std::string_view input, gw::fuzz::Cuts* cuts) {
  BodyDecoder decoder;
  decoder.start(head.framing, head.content_length);
  std::string out;
  while (!input.empty() && !decoder.ended()) {
    std::string_view piece = input.substr(0, cuts == nullptr ? input.size() : cuts->next(9));
    input.remove_prefix(piece.size());
    BodyDecoder::Result result = BodyDecoder::Result::kData;
    while (result == BodyDecoder::Result::kData) {
      std::string_view data;
      result = decoder.next(piece, data);
      out += data;
    }
    if (result == BodyDecoder::Result::kBad) return "bad";
    if (result == BodyDecoder::Result::kEnd) {
      return out + " end " + std::to_string(piece.size() + input.size());
    }
  }
  return out + (decoder.ended() ? " end" : " more");
}

// The request as text, or why there is none.
std::string read(std::string_view text, std::string_view sender_address, gw::fuzz::Cuts* cuts) {
  static const ServerSettings settings = settings_of_target();
  static gw::base::ChunkPool pool;
  gw::base::Arena arena(pool);
  HeadParser parser;
  parser.start(true, arena, settings.limits.max_fields);
  HeadText head;
  std::size_t given = 0;
  HeadParser::Result result = HeadParser::Result::kMore;
  while (result == HeadParser::Result::kMore && given < text.size()) {
    const std::size_t size =
        cuts == nullptr ? text.size() : std::min(text.size() - given, cuts->next(9));
    if (!head.add(arena, text.substr(given, size), true)) return "full";
    given += size;
    result = parser.feed(head.data, head.size);
  }
  if (result != HeadParser::Result::kDone) {
    return result == HeadParser::Result::kMore ? "more" : "refused";
  }
  RequestHead request(arena);
  Sender sender;
  sender.address = sender_address;
  sender.trusted = settings.trusted(sender_address);
  sender.fresh_id = "fresh";
  const RequestFacts facts = read_request(parser, head.data, settings, sender, request);
  if (facts.status != 0) {
    GW_CHECK(facts.status >= 400 && facts.status < 500 && !facts.problem.empty());
    return "refused";
  }
  check_fields(request.fields);
  check_path(request.path, arena);
  GW_CHECK(sender.trusted || facts.client_address == sender_address);
  GW_CHECK(!request.request_id.empty());
  std::string out = std::string(request.method) + " " + std::string(request.path) + "?" +
                    std::string(request.query) + " " + std::string(request.authority) + " " +
                    std::string(facts.client_address) + "\n";
  for (const Field& field : request.fields) {
    out += std::string(field.name) + ": " + std::string(field.value) + "\n";
  }
  return out + body_of(request, text.substr(parser.head_bytes()), cuts);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = gw::fuzz::text_of(data, size);
  if (text.empty()) return 0;
  const char* sender = text[0] == 'G' ? "10.0.0.1" : "192.0.2.1";
  gw::fuzz::Cuts cuts(text);
  const std::string whole = read(text, sender, nullptr);
  const std::string cut = read(text, sender, &cuts);
  GW_CHECK(whole == cut || whole == "full" || cut == "full");
  return 0;
}
