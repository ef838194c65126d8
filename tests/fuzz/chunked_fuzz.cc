// SPDX-License-Identifier: Apache-2.0
//
// A chunked body: the same bytes and the same end, however it is cut up.
#include <string>

#include "fuzz.h"
#include "http/body_decoder.h"

namespace {

using gw::http::BodyDecoder;

struct Decoded {
  BodyDecoder::Result result = BodyDecoder::Result::kMore;
  std::string body;
  std::size_t left = 0;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded decode(std::string_view input, gw::fuzz::Cuts* cuts) {
  BodyDecoder decoder;
  decoder.start(gw::http::Framing::kChunked, 0);
  Decoded out;
  while (!input.empty() && out.result == BodyDecoder::Result::kMore) {
    std::string_view piece = input.substr(0, cuts == nullptr ? input.size() : cuts->next(7));
    input.remove_prefix(piece.size());
    do {
      std::string_view data;
      out.result = decoder.next(piece, data);
      GW_CHECK(out.result != BodyDecoder::Result::kData || !data.empty());
      out.body += data;
    } while (out.result == BodyDecoder::Result::kData);
    if (out.result == BodyDecoder::Result::kEnd) out.left = piece.size() + input.size();
  }
  return out;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = gw::fuzz::text_of(data, size);
  gw::fuzz::Cuts cuts(text);
  GW_CHECK(decode(text, nullptr) == decode(text, &cuts));
  return 0;
}
