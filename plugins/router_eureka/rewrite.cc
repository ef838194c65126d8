// SPDX-License-Identifier: Apache-2.0
#include "rewrite.h"

namespace gw::router {

std::unique_ptr<Rewrite> Rewrite::compile(std::string_view regex, std::string_view replacement,
                                          std::string& error) {
  auto rewrite = std::make_unique<Rewrite>();
  rewrite->regex_ = Regex::compile(regex, error);
  if (rewrite->regex_ == nullptr) return nullptr;
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
  int groups = regex_->group_count();
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
      const int group = regex_->group_number(name);
      if (group < 0) return "no group '" + name + "' in the regular expression";
      pieces_.push_back({group, {}});
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
  Regex::Groups found;
  std::size_t at = 0;
  while (at <= text.size()) {
    const Regex::Found result = regex_->find(text, at, found);
    if (result == Regex::Found::kTooMuchWork) return out.clear();
    if (result == Regex::Found::kNo) break;
    const std::string_view whole = found.group[0];
    const auto start = static_cast<std::size_t>(whole.data() - text.data());
    out.append(text.substr(at, start - at));
    for (const Piece& part : pieces_)
      out += part.group < 0 ? std::string_view(part.literal)
                            : found.group[static_cast<std::size_t>(part.group)];
    at = start + whole.size();
    if (whole.empty()) {  // one character on, so that it ends
      if (at < text.size()) out += text[at];
      ++at;
    }
  }
  if (at < text.size()) out.append(text.substr(at));
}

}  // namespace gw::router
