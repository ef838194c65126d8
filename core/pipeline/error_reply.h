// SPDX-License-Identifier: Apache-2.0
//
// Where the pipeline's error answers are put into words: the failure envelope of every client.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "pipeline/chain.h"

namespace gw::pipeline {

struct ErrorFacts {
  std::uint32_t status;
  std::string_view code;     // also the key in the catalogue
  std::string_view message;  // when the catalogue has none
  std::string_view path;
  std::string_view accept_language;
  std::string_view trace_id;  // left out when empty
  std::int64_t wall_ms;
};

// The JSON envelope in `arena`; null data() when there is no room for it.
std::string_view error_envelope(base::Arena& arena, const TextSource* texts,
                                const ErrorFacts& facts);

}  // namespace gw::pipeline
