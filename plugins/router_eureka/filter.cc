// SPDX-License-Identifier: Apache-2.0
//
// The table of filters, and those that change paths or the call itself; header filters are in
// header_filter.cc.
#include "filter.h"

#include "header_filter.h"
#include "rewrite.h"

namespace gw::router {
namespace {

class RewritePath final : public Filter {
 public:
  static std::unique_ptr<Filter> compile(const Shortcut& s, std::string& error) {
    auto filter = std::make_unique<RewritePath>();
    filter->text_ = s.arguments[0] + " = '" + s.arguments[1] + "'";
    filter->rewrite_ = Rewrite::compile(s.arguments[0], s.arguments[1], error);
    if (filter->rewrite_ == nullptr) return nullptr;
    return filter;
  }
  void on_request(RequestChange& change) const override {
    rewrite_->apply(change.path, change.scratch);
    change.path.swap(change.scratch);
  }
  std::string text() const override { return "RewritePath " + text_; }

 private:
  std::string text_;
  std::unique_ptr<Rewrite> rewrite_;
};

class StripPrefix final : public Filter {
 public:
  static std::unique_ptr<Filter> compile(const Shortcut& s, std::string& error) {
    auto filter = std::make_unique<StripPrefix>();
    bool given = !s.arguments.empty();
    if (!given || (parse_unsigned(s.arguments[0], filter->parts_) && filter->parts_ <= 64))
      return filter;
    error = "takes a number of segments (0 to 64)";
    return nullptr;
  }
  void on_request(RequestChange& change) const override {
    std::size_t at = 0;
    for (std::uint64_t i = 0; i < parts_ && at != std::string::npos; ++i)
      at = change.path.find('/', at + 1);
    if (at == std::string::npos) {
      change.path = "/";
    } else {
      change.path.erase(0, at);
    }
  }
  std::string text() const override { return "StripPrefix parts = " + std::to_string(parts_); }

 private:
  std::uint64_t parts_ = 1;
};

class PrefixPath final : public Filter {
 public:
  explicit PrefixPath(std::string_view prefix)
      : prefix_(prefix.ends_with('/') ? prefix.substr(0, prefix.size() - 1) : prefix) {}
  void on_request(RequestChange& change) const override {
    change.scratch.clear();
    prefix_.append_to(change.scratch, change.captures);
    change.scratch += change.path;
    change.path.swap(change.scratch);
  }
  std::string text() const override { return "PrefixPath prefix = '" + prefix_.text() + "'"; }

 private:
  Template prefix_;
};

class SetPath final : public Filter {
 public:
  explicit SetPath(std::string_view text) : template_(text) {}
  void on_request(RequestChange& change) const override {
    change.scratch.clear();
    template_.append_to(change.scratch, change.captures);
    change.path.swap(change.scratch);
  }
  std::string text() const override { return "SetPath template = '" + template_.text() + "'"; }

 private:
  Template template_;
};

class PreserveHostHeader final : public Filter {
 public:
  void on_request(RequestChange& change) const override { change.preserve_host = true; }
  std::string text() const override { return "PreserveHostHeader"; }
};

class SetRequestHostHeader final : public Filter {
 public:
  explicit SetRequestHostHeader(std::string host) : host_(std::move(host)) {}
  void on_request(RequestChange& change) const override { change.host = host_; }
  std::string text() const override { return "SetRequestHostHeader host = '" + host_ + "'"; }

 private:
  std::string host_;
};

class RequestSize final : public Filter {
 public:
  static std::unique_ptr<Filter> compile(const Shortcut& s, std::string& error) {
    auto filter = std::make_unique<RequestSize>();
    bool given = !s.arguments.empty();
    if (!given || (parse_data_size(s.arguments[0], filter->bytes_) && filter->bytes_ > 0))
      return filter;
    error = "takes a size (5MB)";
    return nullptr;
  }
  void on_request(RequestChange& change) const override { change.body_limit = bytes_; }
  std::string text() const override { return "RequestSize max = " + std::to_string(bytes_); }

 private:
  std::uint64_t bytes_ = 5u << 20;
};

using Compile = std::unique_ptr<Filter> (*)(const Shortcut&, std::string&);
struct Known {
  std::string_view name;
  std::size_t least, most;  // arguments
  Compile compile;
};

template <class Kind>
std::unique_ptr<Filter> of_first(const Shortcut& s, std::string&) {
  return std::make_unique<Kind>(s.arguments[0]);
}

constexpr Known kKnown[] = {
    {"AddRequestHeader", 2, 2, add_request_header},
    {"AddRequestHeadersIfNotPresent", 1, 32, add_request_headers_if_not_present},
    {"AddResponseHeader", 2, 3, add_response_header},
    {"DedupeResponseHeader", 1, 2, dedupe_response_header},
    {"MapRequestHeader", 2, 2, map_request_header},
    {"PrefixPath", 1, 1, of_first<PrefixPath>},
    {"PreserveHostHeader", 0, 0,
     [](const Shortcut&, std::string&) -> std::unique_ptr<Filter> {
       return std::make_unique<PreserveHostHeader>();
     }},
    {"RemoveRequestHeader", 1, 1, remove_request_header},
    {"RemoveResponseHeader", 1, 1, remove_response_header},
    {"RequestSize", 0, 1, RequestSize::compile},
    {"RewritePath", 2, 2, RewritePath::compile},
    {"SetPath", 1, 1, of_first<SetPath>},
    {"SetRequestHeader", 2, 2, set_request_header},
    {"SetRequestHostHeader", 1, 1, of_first<SetRequestHostHeader>},
    {"SetResponseHeader", 2, 2, set_response_header},
    {"SetStatus", 1, 1, set_status},
    {"StripPrefix", 0, 1, StripPrefix::compile},
};

bool is_variable_name(std::string_view text) {
  for (char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
          c == '-'))
      return false;
  return !text.empty();
}

}  // namespace

Template::Template(std::string_view text) : text_(text) {
  while (!text.empty()) {
    std::size_t open = text.find('{');
    std::size_t close = open == std::string_view::npos ? open : text.find('}', open);
    if (close == std::string_view::npos ||
        !is_variable_name(text.substr(open + 1, close - open - 1))) {
      std::size_t plain = open == std::string_view::npos ? text.size() : open + 1;
      pieces_.push_back({false, std::string(text.substr(0, plain))});
      text.remove_prefix(plain);
      continue;
    }
    if (open > 0) pieces_.push_back({false, std::string(text.substr(0, open))});
    pieces_.push_back({true, std::string(text.substr(open + 1, close - open - 1))});
    text.remove_prefix(close + 1);
  }
}

void Template::append_to(std::string& out, const PathCaptures& captures) const {
  for (const Piece& piece : pieces_) {
    std::string_view value =
        piece.variable ? captures.find(piece.text) : std::string_view(piece.text);
    if (value.data() != nullptr) {
      out += value;
    } else {
      out.append("{").append(piece.text).append("}");
    }
  }
}

std::unique_ptr<Filter> compile_filter(const Shortcut& shortcut, std::string& error) {
  std::string names;
  for (const Known& known : kKnown) {
    if (known.name == shortcut.name) {
      std::size_t count = shortcut.arguments.size();
      if (count >= known.least && count <= known.most) return known.compile(shortcut, error);
      error = "takes " + std::to_string(known.least);
      if (known.most > known.least) error += " to " + std::to_string(known.most);
      error += " arguments, not " + std::to_string(count);
      return nullptr;
    }
    names.append(names.empty() ? "" : ", ").append(known.name);
  }
  error = "unknown filter; known are " + names;
  return nullptr;
}

}  // namespace gw::router
