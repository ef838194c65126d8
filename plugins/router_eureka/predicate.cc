// SPDX-License-Identifier: Apache-2.0
#include "predicate.h"

#include <algorithm>

#include "java_regex.h"

namespace gw::router {
namespace {

std::string joined(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& one : all) out += (out.empty() ? "" : ", ") + one;
  return out;
}

class PathPredicate final : public Predicate {
 public:
  std::string add(const std::string& text) {
    std::string error = patterns_.emplace_back().compile(text);
    return error.empty() ? error : "'" + text + "': " + error;
  }
  bool matches(const RequestView& request, PathCaptures& captures) const override {
    return std::any_of(patterns_.begin(), patterns_.end(), [&](const PathPattern& pattern) {
      return pattern.match(request.path, &captures);
    });
  }
  std::string text() const override {
    std::vector<std::string> all;
    for (const PathPattern& pattern : patterns_) all.push_back(pattern.text());
    return "Paths: [" + joined(all) + "], match trailing slash: true";
  }

 private:
  std::vector<PathPattern> patterns_;
};

class MethodPredicate final : public Predicate {
 public:
  explicit MethodPredicate(std::vector<std::string> methods) : methods_(std::move(methods)) {}
  bool matches(const RequestView& request, PathCaptures&) const override {
    return std::find(methods_.begin(), methods_.end(), request.method) != methods_.end();
  }
  std::string text() const override { return "Methods: [" + joined(methods_) + "]"; }

 private:
  std::vector<std::string> methods_;
};

class HostPredicate final : public Predicate {
 public:
  explicit HostPredicate(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {}
  bool matches(const RequestView& request, PathCaptures&) const override {
    std::string_view host = request.authority;
    std::size_t colon = host.rfind(':');
    bool has_port =
        colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
    std::string_view name = has_port ? host.substr(0, colon) : host;
    if (name.ends_with('.')) name.remove_suffix(1);  // the same name
    return std::any_of(patterns_.begin(), patterns_.end(), [&](const std::string& pattern) {
      return match_host(pattern, pattern.find(':') == std::string::npos ? name : host);
    });
  }
  std::string text() const override { return "Hosts: [" + joined(patterns_) + "]"; }

 private:
  std::vector<std::string> patterns_;
};

class HeaderPredicate final : public Predicate {
 public:
  HeaderPredicate(std::string name, std::string regex_text, std::unique_ptr<Regex> regex)
      : name_(std::move(name)), regex_text_(std::move(regex_text)), regex_(std::move(regex)) {}
  bool matches(const RequestView& request, PathCaptures&) const override {
    for (std::uint32_t i = 0;; ++i) {
      auto value = request.header(name_, i);
      if (!value) return false;
      if (regex_ == nullptr || regex_->matches_whole(*value)) return true;
    }
  }
  std::string text() const override { return "Header: " + name_ + " regexp=" + regex_text_; }

 private:
  std::string name_, regex_text_;
  std::unique_ptr<Regex> regex_;
};

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A name or value of a query, decoded into `buffer` where it holds escapes.
std::string_view decoded(std::string_view text, std::string& buffer) {
  if (text.find_first_of("%+") == std::string_view::npos) return text;
  buffer.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      buffer += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      buffer += text[i] == '+' ? ' ' : text[i];
    }
  }
  return buffer;
}

class QueryPredicate final : public Predicate {
 public:
  QueryPredicate(std::string name, std::string regex_text, std::unique_ptr<Regex> regex)
      : name_(std::move(name)), regex_text_(std::move(regex_text)), regex_(std::move(regex)) {}
  bool matches(const RequestView& request, PathCaptures&) const override {
    std::string name_buffer, value_buffer;
    for (std::string_view rest = request.query; !rest.empty();) {
      std::size_t end = std::min(rest.find('&'), rest.size());
      std::string_view pair = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      std::size_t equals = pair.find('=');
      std::string_view value =
          equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
      if (decoded(pair.substr(0, equals), name_buffer) != name_) continue;
      if (regex_ == nullptr || regex_->matches_whole(decoded(value, value_buffer))) return true;
    }
    return false;
  }
  std::string text() const override { return "Query: param=" + name_ + " regexp=" + regex_text_; }

 private:
  std::string name_, regex_text_;
  std::unique_ptr<Regex> regex_;
};

template <class Kind>
std::unique_ptr<Predicate> compile_named(const Shortcut& shortcut, std::string& error) {
  if (shortcut.arguments.size() > 2) {
    error = "takes a name and a regular expression";
    return nullptr;
  }
  std::unique_ptr<Regex> regex;
  std::string text;
  if (shortcut.arguments.size() == 2) {
    text = shortcut.arguments[1];
    regex = Regex::compile(text, error);
    if (regex == nullptr) return nullptr;
  }
  return std::make_unique<Kind>(shortcut.arguments[0], text, std::move(regex));
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// One part of a host against one of a pattern, by going back to the last wildcard.
bool match_part(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
  while (t < text.size() || p < pattern.size()) {
    if (p < pattern.size() && (pattern[p] == '*' || pattern[p] == '{')) {
      if (pattern[p] == '{') p = std::min(pattern.find('}', p), pattern.size() - 1);
      star = ++p, star_text = t;
    } else if (p < pattern.size() && t < text.size() &&
               (pattern[p] == '?' || lower(pattern[p]) == lower(text[t]))) {
      ++p, ++t;
    } else if (star != std::string_view::npos && star_text < text.size()) {
      p = star, t = ++star_text;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

bool match_host(std::string_view pattern, std::string_view host) {
  std::size_t dot = pattern.find('.');
  std::string_view part = pattern.substr(0, dot);
  bool last = dot == std::string_view::npos;
  if (part == "**") {
    if (last) return true;
    std::string_view rest = pattern.substr(dot + 1);
    for (std::string_view tail = host;;) {  // at most one ** in a pattern (compile_predicate)
      if (match_host(rest, tail)) return true;
      std::size_t next = tail.find('.');
      if (next == std::string_view::npos) return false;
      tail.remove_prefix(next + 1);
    }
  }
  std::size_t host_dot = host.find('.');
  if (!match_part(part, host.substr(0, host_dot))) return false;
  if (last) return host_dot == std::string_view::npos;
  return host_dot != std::string_view::npos &&
         match_host(pattern.substr(dot + 1), host.substr(host_dot + 1));
}

std::unique_ptr<Predicate> compile_predicate(const Shortcut& shortcut, std::string& error) {
  if (!shortcut.has_equals || shortcut.arguments.empty()) {
    error = "a predicate is written Name=arguments";
    return nullptr;
  }
  if (shortcut.name == "Path") {
    auto predicate = std::make_unique<PathPredicate>();
    for (const std::string& argument : shortcut.arguments) {
      if (argument == "true" || argument == "false")
        continue;  // matchTrailingSlash: no effect in Spring
      error = predicate->add(argument);
      if (!error.empty()) return nullptr;
    }
    return predicate;
  }
  if (shortcut.name == "Method") return std::make_unique<MethodPredicate>(shortcut.arguments);
  if (shortcut.name == "Host") {
    for (const std::string& pattern : shortcut.arguments) {
      std::size_t stars = pattern.find("**");
      if (stars != std::string::npos && pattern.find("**", stars + 2) != std::string::npos) {
        error = "'" + pattern + "' has '**' more than once";
        return nullptr;
      }
    }
    return std::make_unique<HostPredicate>(shortcut.arguments);
  }
  if (shortcut.name == "Header") return compile_named<HeaderPredicate>(shortcut, error);
  if (shortcut.name == "Query") return compile_named<QueryPredicate>(shortcut, error);
  error = "unknown predicate; known are Path, Method, Host, Header, Query";
  return nullptr;
}

}  // namespace gw::router
