// SPDX-License-Identifier: Apache-2.0
//
// One request and its answer. Part of gateway/plugin.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tables.hpp"

namespace gw {

using HeaderList = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// One request and its answer. A value; for its worker's thread, until on_complete has returned.
class Exchange {
 public:
  explicit Exchange(gw_exchange* exchange) : exchange_(exchange) {}
  gw_exchange* raw() const { return exchange_; }

  gw_request request() const {
    gw_request out{};
    out.struct_size = sizeof out;
    tables.exchange->request(exchange_, &out);
    return out;
  }
  std::string_view method() const { return view(request().method); }
  std::string_view path() const { return view(request().path); }
  std::string_view query() const { return view(request().query); }

  std::optional<std::string_view> header(std::int32_t message, std::string_view name,
                                         std::uint32_t nth = 0) const {
    gw_str out{};
    if (tables.exchange->header_get(exchange_, message, str(name), nth, &out) != GW_OK) return {};
    return view(out);
  }
  std::optional<gw_header> header_at(std::int32_t message, std::uint32_t i) const {
    gw_header out{};
    if (tables.exchange->header_at(exchange_, message, i, &out) != GW_OK) return {};
    return out;
  }
  gw_status set_header(std::int32_t message, std::string_view name, std::string_view value) const {
    return tables.exchange->header_set(exchange_, message, str(name), str(value));
  }
  gw_status add_header(std::int32_t message, std::string_view name, std::string_view value) const {
    return tables.exchange->header_add(exchange_, message, str(name), str(value));
  }
  gw_status remove_header(std::int32_t message, std::string_view name) const {
    return tables.exchange->header_remove(exchange_, message, str(name));
  }
  gw_status set_target(std::string_view path, std::string_view query) const {
    return tables.exchange->set_target(exchange_, str(path), str(query));
  }

  std::optional<std::string_view> attribute(std::uint32_t id) const {
    gw_str out{};
    if (tables.attribute->get(exchange_, id, &out) != GW_OK) return {};
    return view(out);
  }
  gw_status set_attribute(std::uint32_t id, std::string_view value) const {
    return tables.attribute->set(exchange_, id, str(value));
  }
  std::string_view text(const char* key, std::string_view fallback) const {
    return view(tables.text->get(exchange_, key, str(fallback)));
  }

  // A T in the exchange's memory; its destructor is never run. Throws bad_alloc at the limit.
  template <class T, class... Arguments>
  T* make(Arguments&&... arguments) const {
    static_assert(std::is_trivially_destructible_v<T>);
    void* memory = tables.exchange->alloc(exchange_, sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return new (memory) T{std::forward<Arguments>(arguments)...};
  }
  // A copy that lives as long as the exchange.
  std::string_view keep(std::string_view text) const {
    if (text.empty()) return {};
    void* memory = tables.exchange->alloc(exchange_, text.size());
    if (memory == nullptr) throw std::bad_alloc();
    std::memcpy(memory, text.data(), text.size());
    return {static_cast<const char*>(memory), text.size()};
  }

  gw_waker pause(std::uint32_t timeout_ms, std::int32_t at_deadline = GW_FAIL_CLOSED) const {
    gw_waker waker{};
    if (tables.exchange->pause(exchange_, timeout_ms, at_deadline, &waker) != GW_OK)
      throw std::logic_error("pause was refused");
    return waker;
  }
  // Both return GW_REPLIED, so that a filter can `return x.reply(...)`.
  Verdict reply(std::uint32_t status, HeaderList headers, std::string_view body) const {
    return with_headers(headers, [&](const gw_header* all, std::uint32_t count) {
      return tables.exchange->reply(exchange_, status, all, count, str(body));
    });
  }
  Verdict fail(std::uint32_t status, std::string_view code, std::string_view message = {},
               HeaderList headers = {}) const {
    return with_headers(headers, [&](const gw_header* all, std::uint32_t count) {
      return tables.exchange->fail(exchange_, status, str(code), str(message), all, count);
    });
  }
  // Null when refused.
  gw_stream* begin_stream(std::uint32_t status, HeaderList headers, const gw_stream_events* events,
                          void* owner) const {
    gw_stream* stream = nullptr;
    with_headers(headers, [&](const gw_header* all, std::uint32_t count) {
      return tables.stream->begin(exchange_, status, all, count, events, owner, &stream);
    });
    return stream;
  }

 private:
  template <class Call>
  static Verdict with_headers(HeaderList headers, Call call) {
    constexpr std::size_t kMost = 32;
    if (headers.size() > kMost) throw std::logic_error("more than 32 headers in one answer");
    gw_header all[kMost];
    all[0] = {};  // compilers warn about an array that is handed on without any element set
    std::uint32_t count = 0;
    for (const auto& [name, value] : headers) all[count++] = {str(name), str(value)};
    call(all, count);
    return GW_REPLIED;
  }
  gw_exchange* exchange_;
};

inline void wake(gw_waker waker) {
  tables.exchange->wake(waker);
}

}  // namespace gw
