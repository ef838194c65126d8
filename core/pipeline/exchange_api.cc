// SPDX-License-Identifier: Apache-2.0
//
// The tables gw.exchange/1, gw.attribute/1 and gw.text/1: from C and back. What may be done when is
// decided in Exchange; what bytes may be set, here.
#include <algorithm>
#include <cstring>

#include "pipeline/exchange.h"
#include "pipeline/tables.h"

namespace gw::pipeline {

namespace {

constexpr std::uint64_t kMostAlloc = 64 * 1024;
constexpr std::size_t kMostValue = 16 * 1024;

Exchange& self(gw_exchange* exchange) {
  return *static_cast<Exchange*>(exchange);
}

std::string_view view(gw_str text) {
  return {text.ptr, static_cast<std::size_t>(text.len)};
}

gw_str str(std::string_view text) {
  return {text.data(), text.size()};
}

// Null: that message has no head yet, or there is no such message.
http::FieldList* fields(Exchange& exchange, std::int32_t message) {
  if (message == GW_REQUEST) return &exchange.request().fields;
  if (message == GW_RESPONSE && exchange.response() != nullptr) return &exchange.response()->fields;
  return nullptr;
}

bool head_open(Exchange& exchange, std::int32_t message) {
  return message == GW_REQUEST ? exchange.request_head_open() : exchange.response_head_open();
}

void request(gw_exchange* exchange, gw_request* out) {
  const std::uint32_t size = out->struct_size;
  if (!self(exchange).live("request")) {  // zeroed: views into nothing
    std::memset(out, 0, std::min<std::size_t>(size, sizeof *out));
    out->struct_size = size;
    return;
  }
  const http::RequestHead& head = self(exchange).request();
  gw_request part;
  gw_request& all = size >= sizeof part ? *out : part;
  all.struct_size = size;
  all.http_minor = head.minor;
  all.method = str(head.method);
  all.path = str(head.path);
  all.query = str(head.query);
  all.authority = str(head.authority);
  if (&all == &part) std::memcpy(out, &part, size);  // the caller knows less
}

gw_status set_target(gw_exchange* exchange, gw_str path, gw_str query) {
  if (!self(exchange).live("set_target")) return GW_GONE;
  return self(exchange).set_target(view(path), view(query));
}

gw_status header_at(gw_exchange* exchange, std::int32_t message, std::uint32_t i, gw_header* out) {
  if (!self(exchange).live("header_at")) return GW_GONE;
  const http::FieldList* list = fields(self(exchange), message);
  if (list == nullptr || i >= list->size()) return GW_NOT_FOUND;
  *out = {str((*list)[i].name), str((*list)[i].value)};
  return GW_OK;
}

gw_status header_get(gw_exchange* exchange, std::int32_t message, gw_str name, std::uint32_t nth,
                     gw_str* out) {
  if (!self(exchange).live("header_get")) return GW_GONE;
  const http::FieldList* list = fields(self(exchange), message);
  const http::Field* field = list == nullptr ? nullptr : list->find(view(name), nth);
  if (field == nullptr) return GW_NOT_FOUND;
  *out = str(field->value);
  return GW_OK;
}

gw_status put_header(gw_exchange* handle, std::int32_t message, gw_str name, gw_str value,
                     bool replace) {
  Exchange& exchange = self(handle);
  if (!exchange.live("header_set")) return GW_GONE;
  http::FieldList* list = fields(exchange, message);
  if (list == nullptr || !head_open(exchange, message)) return GW_WRONG_STATE;
  if (!http::is_field_name(view(name)) || http::is_framing_name(view(name)) ||
      !http::is_received_value(view(value)))
    return GW_INVALID;
  if (name.len > kMostValue || value.len > kMostValue) return GW_LIMIT;
  const std::string_view name_copy = exchange.arena().copy(view(name));
  const std::string_view value_copy = exchange.arena().copy(view(value));
  if (name_copy.data() == nullptr || (value.len > 0 && value_copy.data() == nullptr))
    return GW_LIMIT;
  if (replace) list->remove(name_copy);  // makes the room that `add` then has
  return list->add(name_copy, value_copy) ? GW_OK : GW_LIMIT;
}

gw_status header_set(gw_exchange* exchange, std::int32_t message, gw_str name, gw_str value) {
  return put_header(exchange, message, name, value, true);
}

gw_status header_add(gw_exchange* exchange, std::int32_t message, gw_str name, gw_str value) {
  return put_header(exchange, message, name, value, false);
}

gw_status header_remove(gw_exchange* exchange, std::int32_t message, gw_str name) {
  if (!self(exchange).live("header_remove")) return GW_GONE;
  http::FieldList* list = fields(self(exchange), message);
  if (list == nullptr || !head_open(self(exchange), message)) return GW_WRONG_STATE;
  return list->remove(view(name)) > 0 ? GW_OK : GW_NOT_FOUND;
}

std::uint32_t status(gw_exchange* exchange) {
  if (!self(exchange).live("status")) return 0;
  const http::ResponseHead* head = self(exchange).response();
  return head == nullptr ? 0 : head->status;
}

gw_status set_status(gw_exchange* exchange, std::uint32_t value) {
  if (!self(exchange).live("set_status")) return GW_GONE;
  return self(exchange).set_status(value);
}

void* alloc(gw_exchange* exchange, std::uint64_t size) {
  if (!self(exchange).live("alloc")) return nullptr;
  if (size > kMostAlloc) return nullptr;
  void* memory = self(exchange).arena().try_allocate(size);
  if (memory != nullptr) std::memset(memory, 0, size);
  return memory;
}

gw_status pause(gw_exchange* exchange, std::uint32_t timeout_ms, std::int32_t at_deadline,
                gw_waker* out) {
  if (!self(exchange).live("pause")) return GW_GONE;
  return self(exchange).pause(timeout_ms, at_deadline, *out);
}

void wake(gw_waker waker) {
  WakeTable::wake(waker);
}

gw_status reply(gw_exchange* exchange, std::uint32_t code, const gw_header* headers,
                std::uint32_t header_count, gw_str body) {
  if (!self(exchange).live("reply")) return GW_GONE;
  return self(exchange).reply(code, headers, header_count, view(body));
}

gw_status fail(gw_exchange* exchange, std::uint32_t http_status, gw_str code, gw_str message,
               const gw_header* headers, std::uint32_t header_count) {
  if (!self(exchange).live("fail")) return GW_GONE;
  return self(exchange).fail(http_status, view(code), view(message), headers, header_count);
}

std::uint32_t intern(const char* name) {
  return intern_attribute(name);
}

// What the core itself knows, unless a filter has set it anew.
std::string_view provided(Exchange& exchange, std::uint32_t attribute) {
  const http::Peer& peer = exchange.transaction().peer();
  switch (attribute) {
    case kClientAddress:
      return peer.client_address;
    case kClientScheme:
      return peer.scheme;
    case kRequestId:
      return exchange.request().request_id;
    default:
      return {};
  }
}

gw_status get_attribute(gw_exchange* exchange, std::uint32_t attribute, gw_str* out) {
  if (!self(exchange).live("get")) return GW_GONE;
  std::string_view value = self(exchange).attributes().get(attribute);
  if (value.data() == nullptr) value = provided(self(exchange), attribute);
  if (value.data() == nullptr) return GW_NOT_FOUND;
  *out = str(value);
  return GW_OK;
}

gw_status set_attribute(gw_exchange* exchange, std::uint32_t attribute, gw_str value) {
  if (!self(exchange).live("set")) return GW_GONE;
  if (attribute == 0 || attribute > kMostAttributes) return GW_INVALID;
  if (value.len > AttributeValues::kMostBytes) return GW_LIMIT;
  return self(exchange).attributes().set(self(exchange).arena(), attribute, view(value)) ? GW_OK
                                                                                         : GW_LIMIT;
}

gw_str text(gw_exchange* exchange, const char* key, gw_str fallback) {
  if (!self(exchange).live("text")) return fallback;
  const TextSource* texts = self(exchange).texts();
  if (texts == nullptr) return fallback;
  const http::Field* language = self(exchange).request().fields.find("Accept-Language");
  return str(
      texts->text(key, language == nullptr ? std::string_view() : language->value, view(fallback)));
}

}  // namespace

const gw_exchange_api* exchange_api() {
  static const gw_exchange_api table = {sizeof(gw_exchange_api),
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
                                        wake,
                                        reply,
                                        fail};
  return &table;
}

const gw_attribute_api* attribute_api() {
  static const gw_attribute_api table = {sizeof(gw_attribute_api), intern, get_attribute,
                                         set_attribute};
  return &table;
}

const gw_text_api* text_api() {
  static const gw_text_api table = {sizeof(gw_text_api), text};
  return &table;
}

}  // namespace gw::pipeline
