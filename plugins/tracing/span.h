// SPDX-License-Identifier: Apache-2.0
//
// A finished span as Zipkin reads it: an object of its JSON format, version 2
// (https://zipkin.io/zipkin-api/).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "trace_context.h"

namespace gw::tracing {

struct Tag {
  std::string_view key;
  std::string_view value;  // the first kMostTagBytes of it are sent
};
constexpr std::size_t kMostTagBytes = 1024;

struct Span {
  std::string_view trace_id = {}, id = {};
  std::string_view parent_id = {};  // empty: the trace's first
  std::string_view kind = {};       // "SERVER" or "CLIENT"
  std::string_view name = {};
  std::string_view service = {};
  std::int64_t timestamp_us = 0;  // since 1970
  std::uint64_t duration_us = 1;  // 0 is sent as 1: Zipkin takes 0 for unknown
  bool debug = false;
  std::span<const Tag> tags = {};
};

// Any bytes may be in the texts.
void append_json(std::string& out, const Span& span);

}  // namespace gw::tracing
