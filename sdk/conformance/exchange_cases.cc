// SPDX-License-Identifier: Apache-2.0
//
// "gw.exchange/1", "gw.attribute/1" and "gw.text/1": the request as a filter sees and changes it.
#include <cstdint>
#include <cstring>

#include "probe.h"

namespace gw::conformance {

namespace {

void request(Part&, Exchange x, Report& report) {
  gw_request all = x.request();
  CONFORMS(report, view(all.method) == "GET");
  CONFORMS(report, view(all.path) == "/conformance/request");
  CONFORMS(report, view(all.query) == "a=1&b=%20");
  CONFORMS(report, !view(all.authority).empty());
  CONFORMS(report, all.http_minor <= 1);
  gw_request part{};
  part.struct_size = offsetof(gw_request, path);
  part.path = str("untouched");
  tables.exchange->request(x.raw(), &part);
  CONFORMS(report, view(part.method) == "GET");
  CONFORMS(report, view(part.path) == "untouched");
}

void target(Part&, Exchange x, Report& report) {
  for (const char* bad : {"", "a", "/a/../b", "/a\\b", "/a%2fb", "/a b", "/a%zz"})
    report.expect(x.set_target(bad, "") == GW_INVALID, std::string("set_target refuses ") + bad);
  CONFORMS(report, x.path() == "/conformance/target");
  CONFORMS(report, x.set_target("/conformance/other", "q=1") == GW_OK);
  CONFORMS(report, x.path() == "/conformance/other");
  CONFORMS(report, x.query() == "q=1");
}

void header(Part&, Exchange x, Report& report) {
  CONFORMS(report, x.header(GW_REQUEST, "x-conformance") == "one");
  CONFORMS(report, x.header(GW_REQUEST, "X-CONFORMANCE", 1) == "two");
  CONFORMS(report, !x.header(GW_REQUEST, "X-Conformance", 2));
  CONFORMS(report, !x.header(GW_REQUEST, "X-Missing"));
  CONFORMS(report, x.header_at(GW_REQUEST, 0).has_value());
  CONFORMS(report, !x.header_at(GW_REQUEST, 100000));
  bool as_sent = false;
  for (std::uint32_t i = 0; auto field = x.header_at(GW_REQUEST, i); ++i)
    as_sent |= view(field->name) == "X-Conformance" && view(field->value) == "one";
  CONFORMS(report, as_sent);

  CONFORMS(report, x.set_header(GW_REQUEST, "X-CONformance", "three") == GW_OK);
  CONFORMS(report, x.header(GW_REQUEST, "X-Conformance") == "three");
  CONFORMS(report, !x.header(GW_REQUEST, "X-Conformance", 1));
  CONFORMS(report, x.add_header(GW_REQUEST, "X-Conformance", "") == GW_OK);
  CONFORMS(report, x.header(GW_REQUEST, "X-Conformance", 1) == "");
  auto own = x.header(GW_REQUEST, "X-Conformance");
  CONFORMS(report, x.set_header(GW_REQUEST, "X-Conformance", *own) == GW_OK);
  CONFORMS(report, x.header(GW_REQUEST, "X-Conformance") == "three");
  CONFORMS(report, x.remove_header(GW_REQUEST, "x-conformance") == GW_OK);
  CONFORMS(report, x.remove_header(GW_REQUEST, "x-conformance") == GW_NOT_FOUND);
  CONFORMS(report, !x.header(GW_REQUEST, "X-Conformance"));
}

void header_refused(Part&, Exchange x, Report& report) {
  for (const char* name : {"Content-Length", "transfer-encoding", "CONNECTION", "Host", "Upgrade",
                           "", "X Y", "X:Y", "X\r\nY", "\xc3\xa4"}) {
    report.expect(x.set_header(GW_REQUEST, name, "1") == GW_INVALID,
                  std::string("header_set refuses ") + name);
    report.expect(x.add_header(GW_REQUEST, name, "1") == GW_INVALID,
                  std::string("header_add refuses ") + name);
  }
  for (std::string_view value :
       {std::string_view("a\r\nb"), std::string_view("a\0b", 3), std::string_view("a\x01")})
    CONFORMS(report, x.set_header(GW_REQUEST, "X-Value", value) == GW_INVALID);
  CONFORMS(report, !x.header(GW_REQUEST, "X-Value"));
  CONFORMS(report, x.set_header(GW_REQUEST, "X-Text", "\xc3\xa4 \xff\t") == GW_OK);  // obs-text
  CONFORMS(report, x.header(GW_REQUEST, "X-Text") == "\xc3\xa4 \xff\t");
  CONFORMS(report, x.set_header(GW_RESPONSE, "X-Early", "1") == GW_WRONG_STATE);
  CONFORMS(report, !x.header_at(GW_RESPONSE, 0));
  CONFORMS(report, tables.exchange->status(x.raw()) == 0);
  CONFORMS(report, tables.exchange->set_status(x.raw(), 200) == GW_WRONG_STATE);
}

void header_limit(Part&, Exchange x, Report& report) {
  gw_status status = GW_OK;
  for (int i = 0; i < 100000 && status == GW_OK; ++i)
    status = x.add_header(GW_REQUEST, "X-Many", "1");
  CONFORMS(report, status == GW_LIMIT);
  CONFORMS(report, x.remove_header(GW_REQUEST, "X-Many") == GW_OK);
  CONFORMS(report, x.add_header(GW_REQUEST, "X-Many", "1") == GW_OK);
  CONFORMS(report, x.set_header(GW_REQUEST, "X-Large", std::string(1 << 20, 'x')) == GW_LIMIT);
}

void alloc(Part&, Exchange x, Report& report) {
  for (std::uint64_t size : {std::uint64_t{1}, std::uint64_t{13}, std::uint64_t{65536}}) {
    auto* memory = static_cast<unsigned char*>(tables.exchange->alloc(x.raw(), size));
    CONFORMS(report, memory != nullptr);
    if (memory == nullptr) continue;
    CONFORMS(report, reinterpret_cast<std::uintptr_t>(memory) % alignof(std::max_align_t) == 0);
    bool zero = true;
    for (std::uint64_t i = 0; i < size; ++i) zero &= memory[i] == 0;
    CONFORMS(report, zero);
    std::memset(memory, 0xff, static_cast<std::size_t>(size));
  }
  CONFORMS(report, tables.exchange->alloc(x.raw(), 65537) == nullptr);
}

void attribute(Part&, Exchange x, Report& report) {
  std::uint32_t id = tables.attribute->intern("conformance.word");
  CONFORMS(report, id != 0);
  CONFORMS(report, id == tables.attribute->intern("conformance.word"));
  CONFORMS(report, id != tables.attribute->intern("conformance.other"));
  CONFORMS(report, !x.attribute(id));
  CONFORMS(report, x.set_attribute(id, "one") == GW_OK);
  auto one = x.attribute(id);
  CONFORMS(report, x.set_attribute(id, "two") == GW_OK);
  CONFORMS(report, one == "one");
  CONFORMS(report, x.attribute(id) == "two");
  CONFORMS(report, x.set_attribute(id, "") == GW_OK);
  CONFORMS(report, x.attribute(id) == "");
  CONFORMS(report, x.set_attribute(id, std::string(16 * 1024, 'x')) == GW_OK);
  CONFORMS(report, x.set_attribute(id, std::string(16 * 1024 + 1, 'x')) == GW_LIMIT);
  CONFORMS(report, x.attribute(id).value_or("").size() == 16 * 1024);
  CONFORMS(report, !x.attribute(0));
  CONFORMS(report, x.attribute(tables.attribute->intern("client.address")) == "127.0.0.1");
  CONFORMS(report, x.attribute(tables.attribute->intern("client.scheme")) == "http");
  CONFORMS(report, !x.attribute(tables.attribute->intern("request.id")).value_or("").empty());
}

void text(Part&, Exchange x, Report& report) {
  std::string fallback = "only here";
  std::string_view kept = x.text("conformance.no_such_key", fallback);
  CONFORMS(report, kept == "only here");
  CONFORMS(report, !x.text("NOT_FOUND", "x").empty());
}

}  // namespace

void add_exchange_cases(Cases& cases) {
  cases.immediate.insert({{"request", request},
                          {"target", target},
                          {"header", header},
                          {"header-refused", header_refused},
                          {"header-limit", header_limit},
                          {"alloc", alloc},
                          {"attribute", attribute},
                          {"text", text}});
}

}  // namespace gw::conformance
