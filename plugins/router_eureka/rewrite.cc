// SPDX-License-Identifier: Apache-2.0
#include "rewrite.h"

#include <array>

namespace gw::router {
namespace {

constexpr std::size_t kMostRegexBytes = 1024;

// (?<name>…) is (?P<name>…) to RE2; (?<=…) and (?<!…) are look-behind, which it refuses itself.
std::string to_re2(std::string_view java) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < java.size(); ++i) {
    if (java[i] == '\\' && i + 1 < java.size()) {
      out += java[i++];
    } else if (java[i] == '[' || java[i] == ']') {
      in_class = java[i] == '[';
    } else if (!in_class && java.substr(i, 3) == "(?<" && i + 3 < java.size() &&
               java[i + 3] != '=' && java[i + 3] != '!') {
      out += "(?P<";
      i += 2;
      continue;
    }
    out += java[i];
  }
  return out;
}

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

std::unique_ptr<re2::RE2> compile_java_regex(std::string_view text, std::string& error) {
  if (text.size() > kMostRegexBytes) {
    error = "the regular expression is longer than 1024 bytes";
    return nullptr;
  }
  re2::RE2::Options options(re2::RE2::Latin1);
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto expression = std::make_unique<re2::RE2>(to_re2(text), options);
  if (expression->ok()) return expression;
  error = "the regular expression '" + std::string(text) +
          "' is not one that is supported: " + expression->error();
  return nullptr;
}

bool matches_whole(const re2::RE2& expression, std::string_view text) {
  return re2::RE2::FullMatch(piece(text), expression);
}

std::unique_ptr<Rewrite> Rewrite::compile(std::string_view regex, std::string_view replacement,
                                          std::string& error) {
  auto rewrite = std::make_unique<Rewrite>();
  rewrite->regex_ = compile_java_regex(regex, error);
  if (rewrite->regex_ == nullptr) return nullptr;
  if (rewrite->regex_->NumberOfCapturingGroups() >= kMostGroups) {
    error = "more than 15 groups";
    return nullptr;
  }
  std::string plain(replacement);
  for (std::size_t at = 0; (at = plain.find("$\\", at)) != std::string::npos; ++at)
    plain.erase(at + 1, 1);
  error = rewrite->compile_replacement(plain);
  return error.empty() ? std::move(rewrite) : nullptr;
}

// As Matcher.appendReplacement reads it. Returns the error.
std::string Rewrite::compile_replacement(std::string_view text) {
  auto literal = [this](char c) {
    if (pieces_.empty() || pieces_.back().group >= 0) pieces_.emplace_back();
    pieces_.back().literal += c;
  };
  int groups = regex_->NumberOfCapturingGroups();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (++i == text.size()) return "the replacement ends in a backslash";
      literal(text[i]);
    } else if (text[i] != '$') {
      literal(text[i]);
    } else if (text.substr(i, 2) == "${") {
      std::size_t end = text.find('}', i);
      if (end == std::string_view::npos) return "'${' without '}' in the replacement";
      std::string name(text.substr(i + 2, end - i - 2));
      const auto& names = regex_->NamedCapturingGroups();
      auto found = names.find(name);
      if (found == names.end()) return "no group '" + name + "' in the regular expression";
      pieces_.push_back({found->second, {}});
      i = end;
    } else {
      if (i + 1 == text.size() || text[i + 1] < '0' || text[i + 1] > '9')
        return "'$' without a group in the replacement";
      int group = text[++i] - '0';
      if (group > groups) return "no group " + std::to_string(group) + " in the regular expression";
      while (i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9' &&
             group * 10 + (text[i + 1] - '0') <= groups)
        group = group * 10 + (text[++i] - '0');
      pieces_.push_back({group, {}});
    }
  }
  return {};
}

void Rewrite::apply(std::string_view text, std::string& out) const {
  out.clear();
  std::array<re2::StringPiece, kMostGroups> groups;
  int wanted = regex_->NumberOfCapturingGroups() + 1;
  std::size_t at = 0;
  while (at <= text.size() &&
         regex_->Match(piece(text), at, text.size(), re2::RE2::UNANCHORED, groups.data(), wanted)) {
    auto start = static_cast<std::size_t>(groups[0].data() - text.data());
    out.append(text.substr(at, start - at));
    for (const Piece& part : pieces_) {
      if (part.group < 0) {
        out += part.literal;
      } else {
        const re2::StringPiece& group = groups[static_cast<std::size_t>(part.group)];
        out.append(group.data() == nullptr ? "" : group.data(), group.size());
      }
    }
    at = start + groups[0].size();
    if (groups[0].empty()) {  // one character on, so that it ends
      if (at < text.size()) out += text[at];
      ++at;
    }
  }
  if (at < text.size()) out.append(text.substr(at));
}

}  // namespace gw::router
