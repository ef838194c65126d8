// SPDX-License-Identifier: Apache-2.0
//
// CORS on one worker, as Spring's DefaultCorsProcessor (https://fetch.spec.whatwg.org/#http-cors-protocol):
// answers preflights, refuses what the rule of the path does not allow, and puts the headers on every
// other answer, whoever gave it.
#pragma once

#include <gateway/plugin.hpp>
#include <string>
#include <vector>

#include "rule.h"

namespace gw::cors {

class CorsPart {
 public:
  // `rules` outlive it; `scheme` is the attribute client.scheme.
  CorsPart(const std::vector<Rule>& rules, std::uint32_t scheme) : rules_(rules), scheme_(scheme) {}

  Verdict on_request_head(Exchange x, void*& slot);
  Verdict on_response_head(Exchange x, void*& slot);

 private:
  // What the answer's head gets. An `origin` that is empty: only Vary.
  struct Grant {
    const Rule* rule;
    std::string_view origin;
  };

  Verdict answer_preflight(Exchange x, const Rule& rule, std::string_view origin,
                           std::string_view method);

  const std::vector<Rule>& rules_;
  std::uint32_t scheme_;
  std::string scratch_;  // between requests only its memory matters
};

}  // namespace gw::cors
