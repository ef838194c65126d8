// SPDX-License-Identifier: Apache-2.0
//
// A request target and its canonical path, which must be canonical itself and free of everything
// that two readers could take for different things.
#include <string>

#include "fuzz.h"
#include "http/canonical_path.h"

namespace {

void check_canonical(std::string_view path, gw::base::Arena& arena) {
  const gw::http::CanonicalPath again = gw::http::make_canonical_path(path, arena);
  GW_CHECK(again.problem == nullptr && again.path == path);
  GW_CHECK(path.starts_with('/') && path.find("//") == std::string_view::npos);
  const std::string framed = std::string(path) + "/";
  GW_CHECK(framed.find("/./") == std::string::npos && framed.find("/../") == std::string::npos);
  for (const char c : path) {
    GW_CHECK(c > 0x20 && c < 0x7f &&
             std::string_view(";\\#?\"<>^`{|}").find(c) == std::string_view::npos);
  }
  for (const char* escape : {"%2F", "%5C", "%2E", "%25", "%3B", "%00", "%0A", "%0D"}) {
    GW_CHECK(path.find(escape) == std::string_view::npos);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gw::http;
  const std::string_view text = gw::fuzz::text_of(data, size);
  static gw::base::ChunkPool pool;
  gw::base::Arena arena(pool);
  for (const char* method : {"GET", "OPTIONS"}) {
    const Target target = parse_target(text, method, arena);
    if (target.problem != nullptr || target.path == "*") continue;
    check_canonical(target.path, arena);
    GW_CHECK(query_problem(target.query) == nullptr);
  }
  if (text.starts_with('/')) {
    const CanonicalPath path = make_canonical_path(text, arena);
    if (path.problem == nullptr) check_canonical(path.path, arena);
  }
  (void)is_authority(text);
  return 0;
}
