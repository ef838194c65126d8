// SPDX-License-Identifier: Apache-2.0
#include "header_filter.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace gw::router {
namespace {

// Fields that frame a message or belong to one connection: the host refuses them (gw.exchange/1).
bool acceptable_name(const std::string& name, std::string& error) {
  static constexpr std::string_view kFraming[] = {"connection", "content-length",    "host",
                                                  "keep-alive", "proxy-connection",  "te",
                                                  "trailer",    "transfer-encoding", "upgrade"};
  bool framing = std::any_of(std::begin(kFraming), std::end(kFraming),
                             [&](std::string_view known) { return equal_any_case(name, known); });
  if (is_token(name) && !framing) return true;
  error = "'" + name + "' is not a header that a filter may change";
  return false;
}

bool acceptable_value(const std::string& value, std::string& error) {
  bool good = std::all_of(value.begin(), value.end(),
                          [](char c) { return (c >= ' ' && c != '\x7f' && c > 0) || c == '\t'; });
  if (!good) error = "the header's value holds control bytes, or is not ASCII";
  return good;
}

enum class Message { kRequest, kResponse };
enum class Action { kAdd, kAddIfAbsent, kSet, kRemove };

// One header added, set or removed.
class ChangeHeader final : public Filter {
 public:
  ChangeHeader(std::string filter, Message message, Action action, std::string name,
               std::string value)
      : filter_(std::move(filter)),
        message_(message),
        action_(action),
        name_(std::move(name)),
        value_(value),
        constant_(value.find('{') == std::string::npos) {}

  void on_request(RequestChange& change) const override {
    if (message_ != Message::kRequest) return;
    if (constant_) {
      apply(change.headers, value_.text());
    } else {
      change.scratch.clear();
      value_.append_to(change.scratch, change.captures);
      apply(change.headers, change.scratch);
    }
  }
  void on_response(ResponseChange& change) const override {
    if (message_ == Message::kResponse) apply(change.headers, value_.text());
  }
  std::string text() const override {
    if (action_ == Action::kRemove) return filter_ + " name = '" + name_ + "'";
    return filter_ + " " + name_ + " = '" + value_.text() + "'";
  }

 private:
  void apply(Headers& headers, std::string_view value) const {
    switch (action_) {
      case Action::kAdd:
        return headers.add(name_, value);
      case Action::kAddIfAbsent:
        if (!headers.get(name_, 0)) headers.add(name_, value);
        return;
      case Action::kSet:
        return headers.set(name_, value);
      case Action::kRemove:
        return headers.remove(name_);
    }
  }

  std::string filter_;
  Message message_;
  Action action_;
  std::string name_;
  Template value_;
  bool constant_;
};

std::unique_ptr<Filter> change(const Shortcut& s, Message message, Action action,
                               std::string& error) {
  std::string value = s.arguments.size() > 1 ? s.arguments[1] : "";
  if (!acceptable_name(s.arguments[0], error) || !acceptable_value(value, error)) return nullptr;
  return std::make_unique<ChangeHeader>(s.name, message, action, s.arguments[0], value);
}

class AddIfNotPresent final : public Filter {
 public:
  explicit AddIfNotPresent(std::vector<std::unique_ptr<Filter>> each) : each_(std::move(each)) {}
  void on_request(RequestChange& request) const override {
    for (const auto& one : each_) one->on_request(request);
  }
  std::string text() const override {
    std::string all;
    for (const auto& one : each_) all += (all.empty() ? "" : ", ") + one->text();
    return all;
  }

 private:
  std::vector<std::unique_ptr<Filter>> each_;
};

// The values of one header become those of another, beside what that had (MapRequestHeader).
class MapHeader final : public Filter {
 public:
  MapHeader(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  void on_request(RequestChange& request) const override {
    static constexpr std::uint32_t kMost = 32;
    for (std::uint32_t i = 0; i < kMost; ++i) {
      auto value = request.headers.get(from_, i);
      if (!value) return;
      request.headers.add(to_, request.headers.keep(*value));
    }
  }
  std::string text() const override {
    return "MapRequestHeader fromHeader = '" + from_ + "', toHeader = '" + to_ + "'";
  }

 private:
  std::string from_, to_;
};

class Dedupe final : public Filter {
 public:
  enum class Keep { kFirst, kLast, kUnique };
  Dedupe(std::vector<std::string> names, Keep keep, std::string text)
      : names_(std::move(names)), keep_(keep), text_(std::move(text)) {}
  void on_response(ResponseChange& change) const override {
    for (const std::string& name : names_) dedupe(change.headers, name);
  }
  std::string text() const override { return "DedupeResponseHeader " + text_; }

 private:
  static constexpr std::size_t kMost = 32;

  void dedupe(Headers& headers, const std::string& name) const {
    if (!headers.get(name, 1)) return;
    std::array<std::string_view, kMost> values;
    std::size_t count = 0;
    for (std::uint32_t i = 0; count < kMost; ++i) {
      auto value = headers.get(name, i);
      if (!value) break;
      if (keep_ == Keep::kLast) count = 0;
      if (keep_ == Keep::kFirst && count == 1) break;
      bool seen =
          std::find(values.begin(), values.begin() + count, *value) != values.begin() + count;
      if (!seen) values[count++] = *value;
    }
    for (std::size_t i = 0; i < count; ++i) values[i] = headers.keep(values[i]);
    headers.remove(name);
    for (std::size_t i = 0; i < count; ++i) headers.add(name, values[i]);
  }

  std::vector<std::string> names_;
  Keep keep_;
  std::string text_;
};

class SetStatus final : public Filter {
 public:
  explicit SetStatus(std::uint32_t status) : status_(status) {}
  void on_response(ResponseChange& change) const override { change.status = status_; }
  std::string text() const override {
    return "SetStatus status = '" + std::to_string(status_) + "'";
  }

 private:
  std::uint32_t status_;
};

}  // namespace

std::unique_ptr<Filter> add_request_header(const Shortcut& s, std::string& error) {
  return change(s, Message::kRequest, Action::kAdd, error);
}

std::unique_ptr<Filter> add_request_headers_if_not_present(const Shortcut& s, std::string& error) {
  std::vector<std::unique_ptr<Filter>> each;
  for (const std::string& pair : s.arguments) {
    std::size_t colon = pair.find(':');
    if (colon == std::string::npos) {
      error = "takes name:value pairs";
      return nullptr;
    }
    Shortcut one{s.name,
                 true,
                 {std::string(trimmed(pair.substr(0, colon))),
                  std::string(trimmed(pair.substr(colon + 1)))}};
    each.push_back(change(one, Message::kRequest, Action::kAddIfAbsent, error));
    if (each.back() == nullptr) return nullptr;
  }
  return std::make_unique<AddIfNotPresent>(std::move(each));
}

std::unique_ptr<Filter> set_request_header(const Shortcut& s, std::string& error) {
  return change(s, Message::kRequest, Action::kSet, error);
}

std::unique_ptr<Filter> map_request_header(const Shortcut& s, std::string& error) {
  if (!acceptable_name(s.arguments[0], error) || !acceptable_name(s.arguments[1], error))
    return nullptr;
  return std::make_unique<MapHeader>(s.arguments[0], s.arguments[1]);
}

std::unique_ptr<Filter> remove_request_header(const Shortcut& s, std::string& error) {
  return change(s, Message::kRequest, Action::kRemove, error);
}

std::unique_ptr<Filter> add_response_header(const Shortcut& s, std::string& error) {
  bool overrides = s.arguments.size() < 3 || s.arguments[2] == "true";
  return change(s, Message::kResponse, overrides ? Action::kAdd : Action::kAddIfAbsent, error);
}

std::unique_ptr<Filter> set_response_header(const Shortcut& s, std::string& error) {
  return change(s, Message::kResponse, Action::kSet, error);
}

std::unique_ptr<Filter> remove_response_header(const Shortcut& s, std::string& error) {
  return change(s, Message::kResponse, Action::kRemove, error);
}

std::unique_ptr<Filter> dedupe_response_header(const Shortcut& s, std::string& error) {
  std::vector<std::string> names;
  std::string_view rest = s.arguments[0];
  while (!rest.empty()) {
    std::size_t space = std::min(rest.find(' '), rest.size());
    if (space > 0) {
      names.emplace_back(rest.substr(0, space));
      if (!acceptable_name(names.back(), error)) return nullptr;
    }
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  std::string strategy = s.arguments.size() > 1 ? s.arguments[1] : "RETAIN_FIRST";
  Dedupe::Keep keep = Dedupe::Keep::kFirst;
  if (strategy == "RETAIN_LAST") {
    keep = Dedupe::Keep::kLast;
  } else if (strategy == "RETAIN_UNIQUE") {
    keep = Dedupe::Keep::kUnique;
  } else if (strategy != "RETAIN_FIRST") {
    error = "the strategy is RETAIN_FIRST, RETAIN_LAST or RETAIN_UNIQUE, not '" + strategy + "'";
    return nullptr;
  }
  return std::make_unique<Dedupe>(std::move(names), keep, s.arguments[0] + " = " + strategy);
}

std::unique_ptr<Filter> set_status(const Shortcut& s, std::string& error) {
  std::uint64_t status = 0;
  if (parse_unsigned(s.arguments[0], status) && status >= 200 && status <= 599)
    return std::make_unique<SetStatus>(static_cast<std::uint32_t>(status));
  error = "takes a status of 200 to 599";
  return nullptr;
}

}  // namespace gw::router
