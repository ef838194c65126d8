// SPDX-License-Identifier: Apache-2.0
//
// From a parsed head of an upstream's answer to a ResponseHead, as strictly as for requests: an
// answer whose end is in doubt would let one visitor read another's.
#pragma once

#include <string_view>

#include "http/head_parser.h"
#include "http/message.h"

namespace gw::http {

struct ResponseFacts {
  const char* problem = nullptr;  // null: acceptable
  bool keep_alive = false;        // as far as the head says
  bool websocket = false;         // says that it upgrades to it
  Framing body = Framing::kNone;  // what follows on this connection
  std::uint64_t body_bytes = 0;   // for kLength
};

// `text` lives as long as `out`. `out.framing` says what a GET would have got where the answer has
// no body (HEAD, 304); `body` says what comes.
ResponseFacts read_response(const HeadParser& parsed, const char* text, bool to_head_request,
                            ResponseHead& out);

}  // namespace gw::http
