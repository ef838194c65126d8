// SPDX-License-Identifier: Apache-2.0
//
// "gw.exchange/1", "gw.attribute/1" and "gw.text/1".
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {

constexpr std::uint64_t kMostAlloc = 64 * 1024;
constexpr std::uint64_t kMostBlocks = 1u << 20;
constexpr std::uint64_t kMostAttribute = 16 * 1024;

// The handle behind `raw`, or null after a breach: dead, or on a wrong worker.
Handle* open_handle(gw_exchange* raw, const char* call) {
  auto* handle = reinterpret_cast<Handle*>(raw);
  if (!handle->alive) {
    // The exchange may be gone, its host is not: the handle is in the host's memory.
    handle->host->breach(std::string(call) + ": the exchange is over for this filter");
    return nullptr;
  }
  if (!handle->exchange->host->on_worker(handle->stage->part, call)) return nullptr;
  return handle;
}

Exchange::State* open_exchange(gw_exchange* raw, const char* call) {
  Handle* handle = open_handle(raw, call);
  return handle == nullptr ? nullptr : handle->exchange;
}

void request(gw_exchange* raw, gw_request* out) {
  auto* x = open_exchange(raw, "request");
  if (x == nullptr) return;
  gw_request all{};
  all.struct_size = out->struct_size;
  all.http_minor = 1;
  all.method = x->method.str(), all.path = x->path.str(), all.query = x->query.str();
  all.authority = x->authority.str();
  std::memcpy(out, &all, std::min<std::size_t>(out->struct_size, sizeof all));
}

gw_status set_target(gw_exchange* raw, gw_str path, gw_str query) {
  auto* x = open_exchange(raw, "set_target");
  if (x == nullptr) return GW_GONE;
  if (x->request_head_left) return GW_WRONG_STATE;
  std::string_view text = to_view(query);
  auto bad = [](unsigned char c) { return c <= 0x20 || c >= 0x7f || c == '#'; };
  if (!is_canonical_path(to_view(path)) || std::any_of(text.begin(), text.end(), bad))
    return GW_INVALID;
  ViewCopy new_path(to_view(path)), new_query(text);  // the arguments may be views of the old ones
  x->path = std::move(new_path), x->query = std::move(new_query);
  return GW_OK;
}

HeaderList* readable(Exchange::State& x, std::int32_t message) {
  if (message == GW_REQUEST) return &x.request_headers;
  return message == GW_RESPONSE && x.has_answer ? &x.answer_headers : nullptr;
}

gw_status header_at(gw_exchange* raw, std::int32_t message, std::uint32_t i, gw_header* out) {
  auto* x = open_exchange(raw, "header_at");
  if (x == nullptr) return GW_GONE;
  if (message != GW_REQUEST && message != GW_RESPONSE) return GW_INVALID;
  HeaderList* list = readable(*x, message);
  const HeaderEntry* entry = list == nullptr ? nullptr : list->at(i);
  if (entry == nullptr) return GW_NOT_FOUND;
  *out = {entry->name.str(), entry->value.str()};
  return GW_OK;
}

gw_status header_get(gw_exchange* raw, std::int32_t message, gw_str name, std::uint32_t nth,
                     gw_str* out) {
  auto* x = open_exchange(raw, "header_get");
  if (x == nullptr) return GW_GONE;
  if (message != GW_REQUEST && message != GW_RESPONSE) return GW_INVALID;
  HeaderList* list = readable(*x, message);
  const HeaderEntry* entry = list == nullptr ? nullptr : list->find(to_view(name), nth);
  if (entry == nullptr) return GW_NOT_FOUND;
  *out = entry->value.str();
  return GW_OK;
}

// The list to change, or why not.
HeaderList* writable(gw_exchange* raw, std::int32_t message, const char* call, gw_status& why) {
  auto* x = open_exchange(raw, call);
  why = GW_GONE;
  if (x == nullptr) return nullptr;
  why = GW_INVALID;
  if (message != GW_REQUEST && message != GW_RESPONSE) return nullptr;
  why = GW_WRONG_STATE;
  if (message == GW_REQUEST) return x->request_head_left ? nullptr : &x->request_headers;
  return x->has_answer && !x->answer_head_left ? &x->answer_headers : nullptr;
}

gw_status header_change(gw_exchange* raw, std::int32_t message, gw_str name, gw_str value,
                        bool replace, const char* call) {
  gw_status why = GW_OK;
  HeaderList* list = writable(raw, message, call, why);
  if (list == nullptr) return why;
  if (gw_status checked = check_header(to_view(name), to_view(value)); checked != GW_OK)
    return checked;
  std::string name_copy(to_view(name)),
      value_copy(to_view(value));  // may be views of what goes now
  if (!list->fits(name_copy, value_copy)) return GW_LIMIT;
  if (replace) list->remove(name_copy);
  list->add(name_copy, value_copy);
  return GW_OK;
}

gw_status header_set(gw_exchange* raw, std::int32_t message, gw_str name, gw_str value) {
  return header_change(raw, message, name, value, true, "header_set");
}
gw_status header_add(gw_exchange* raw, std::int32_t message, gw_str name, gw_str value) {
  return header_change(raw, message, name, value, false, "header_add");
}

gw_status header_remove(gw_exchange* raw, std::int32_t message, gw_str name) {
  gw_status why = GW_OK;
  HeaderList* list = writable(raw, message, "header_remove", why);
  if (list == nullptr) return why;
  if (is_framing_name(to_view(name))) return GW_INVALID;
  return list->remove(std::string(to_view(name))) ? GW_OK : GW_NOT_FOUND;
}

std::uint32_t status(gw_exchange* raw) {
  auto* x = open_exchange(raw, "status");
  return x != nullptr && x->has_answer ? x->answer_status : 0;
}

gw_status set_status(gw_exchange* raw, std::uint32_t value) {
  auto* x = open_exchange(raw, "set_status");
  if (x == nullptr) return GW_GONE;
  if (x->phase != Phase::kResponseHead) return GW_WRONG_STATE;
  if (value < 200 || value > 599) return GW_INVALID;
  x->answer_status = value;
  return GW_OK;
}

void* alloc(gw_exchange* raw, std::uint64_t size) {
  auto* x = open_exchange(raw, "alloc");
  if (x == nullptr || size > kMostAlloc || x->block_bytes + size > kMostBlocks) return nullptr;
  x->block_bytes += size;
  // An allocation of its own, so that AddressSanitizer knows its end; new aligns it for any type.
  return x->blocks.emplace_back(new unsigned char[static_cast<std::size_t>(size) + 1]()).get();
}

gw_status pause(gw_exchange* raw, std::uint32_t timeout_ms, std::int32_t at_deadline,
                gw_waker* out) {
  Handle* handle = open_handle(raw, "pause");
  if (handle == nullptr) return GW_GONE;
  auto& x = *handle->exchange;
  bool may_pause = x.phase == Phase::kRequestHead || x.phase == Phase::kRequestBody ||
                   x.phase == Phase::kResponseBody;
  if (x.running != handle->stage || !may_pause || x.pause_asked || x.replied) {
    x.host->breach("pause: not in a callback that may pause, or called twice");
    return GW_WRONG_STATE;
  }
  if (timeout_ms == 0 || (at_deadline != GW_FAIL_CLOSED && at_deadline != GW_FAIL_OPEN))
    return GW_INVALID;
  x.host->arm_pause(x, timeout_ms);
  x.at_deadline = at_deadline;
  x.pause_asked = true;
  *out = x.waker;
  return GW_OK;
}

gw_status reply(gw_exchange* raw, std::uint32_t code, const gw_header* headers, std::uint32_t count,
                gw_str body) {
  Handle* handle = open_handle(raw, "reply");
  if (handle == nullptr) return GW_GONE;
  auto& x = *handle->exchange;
  gw_status taken = x.take_answer(*handle, code, headers, count, "reply");
  if (taken == GW_OK) x.new_body = to_view(body);
  return taken;
}

gw_status fail(gw_exchange* raw, std::uint32_t status_code, gw_str code, gw_str message,
               const gw_header* headers, std::uint32_t count) {
  Handle* handle = open_handle(raw, "fail");
  if (handle == nullptr) return GW_GONE;
  auto& x = *handle->exchange;
  if (code.len == 0 && !x.replied) return GW_INVALID;
  gw_status taken = x.take_answer(*handle, status_code, headers, count, "fail");
  if (taken != GW_OK) return taken;
  std::erase_if(x.new_headers,
                [](const auto& header) { return same_name(header.first, "content-type"); });
  x.new_headers.emplace_back("Content-Type", "application/json");
  x.new_code = to_view(code);
  x.new_body = error_envelope(x, x.new_code, to_view(message), status_code);
  return GW_OK;
}

std::uint32_t attribute_intern(const char* name) {
  return name == nullptr || *name == 0 ? 0 : intern_attribute(name);
}

gw_status attribute_get(gw_exchange* raw, std::uint32_t attribute, gw_str* out) {
  auto* x = open_exchange(raw, "attribute.get");
  if (x == nullptr) return GW_GONE;
  auto found = x->attributes.find(attribute);
  if (found == x->attributes.end()) return GW_NOT_FOUND;
  *out = {found->second.data(), found->second.size()};
  return GW_OK;
}

gw_status attribute_set(gw_exchange* raw, std::uint32_t attribute, gw_str value) {
  auto* x = open_exchange(raw, "attribute.set");
  if (x == nullptr) return GW_GONE;
  if (attribute_name(attribute).empty()) return GW_INVALID;
  if (value.len > kMostAttribute) return GW_LIMIT;
  x->attributes[attribute] = x->keep(to_view(value));
  return GW_OK;
}

gw_str text_get(gw_exchange* raw, const char*, gw_str fallback) {
  auto* x = open_exchange(raw, "text.get");
  if (x == nullptr) return {};
  std::string_view kept = x->keep(to_view(fallback));
  return {kept.data(), kept.size()};
}

}  // namespace

const gw_exchange_api kExchangeTable = {sizeof(gw_exchange_api),
                                        request,
                                        set_target,
                                        header_at,
                                        header_get,
                                        header_set,
                                        header_add,
                                        header_remove,
                                        status,
                                        set_status,
                                        alloc,
                                        pause,
                                        FakeHost::State::wake,
                                        reply,
                                        fail};
const gw_attribute_api kAttributeTable = {sizeof(gw_attribute_api), attribute_intern, attribute_get,
                                          attribute_set};
const gw_text_api kTextTable = {sizeof(gw_text_api), text_get};

}  // namespace gw::testing
