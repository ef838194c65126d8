// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <algorithm>

namespace gw::cors {
namespace {

constexpr std::size_t kMostRules = 100;
constexpr std::size_t kMostEntries = 200;  // of one list

// Reads one rule; complains about each key that is wrong.
class RuleReader {
 public:
  explicit RuleReader(const Config& table) : table_(table) {}

  Rule read() {
    check("path", rule_.path.compile(table_.string("path")));
    read_origins();
    for (auto& name : list("allowed_methods")) {
      rule_.any_method |= name == "*";
      if (!is_token(name)) check("allowed_methods", "'" + name + "' is not a method");
      rule_.methods.push_back(std::move(name));
    }
    rule_.methods_text = join(rule_.methods, ",");
    for (auto& name : list("allowed_headers")) {
      rule_.any_header |= name == "*";
      if (!is_token(name)) check("allowed_headers", "'" + name + "' is not a header's name");
      rule_.headers.push_back(std::move(name));
    }
    const auto exposed = list("exposed_headers");
    for (const auto& name : exposed)
      if (!is_token(name)) check("exposed_headers", "'" + name + "' is not a header's name");
    rule_.exposed_text = join(exposed, ", ");
    if (const std::int64_t max_age_ms = table_.integer("max_age"); max_age_ms > 0)
      rule_.max_age_text = std::to_string(max_age_ms / 1000);
    return std::move(rule_);
  }
  bool failed() const { return failed_; }

 private:
  void read_origins() {
    rule_.credentials = table_.boolean("allow_credentials");
    for (std::string origin : list("allowed_origins")) {
      if (origin.ends_with('/') && !origin.ends_with("//")) origin.pop_back();
      rule_.any_origin |= origin == "*";
      if (origin != "*" && origin != "null" && !parse_origin(origin))
        check("allowed_origins", "'" + origin + "' is not an origin such as https://shop.example");
      rule_.origins.push_back(std::move(origin));
    }
    for (std::string_view text : list("allowed_origin_patterns"))
      check("allowed_origin_patterns", rule_.patterns.emplace_back().compile(text));
    if (rule_.any_origin && rule_.credentials)
      check("allow_credentials",
            "browsers take no \"*\" with credentials: use allowed_origin_patterns");
    if (rule_.origins.empty() && rule_.patterns.empty())
      check("allowed_origins", "neither these nor allowed_origin_patterns allow any origin");
  }

  std::vector<std::string> list(const char* key) {
    auto all = table_.strings(key);
    if (all.size() > kMostEntries) check(key, "more than 200 entries");
    return all;
  }
  void check(const char* key, const std::string& complaint) {
    if (complaint.empty()) return;
    table_.complain(key, complaint);
    failed_ = true;
  }
  static std::string join(const std::vector<std::string>& words, std::string_view between) {
    std::string all;
    for (const auto& word : words) {
      if (!all.empty()) all += between;
      all += word;
    }
    return all;
  }

  const Config& table_;
  Rule rule_;
  bool failed_ = false;
};

}  // namespace

std::vector<Rule> read_rules(Config config) {
  std::vector<Rule> rules;
  bool failed = false;
  const auto tables = config.tables_of("rules");
  if (tables.empty()) throw ConfigError("rules", "there is no rule");
  if (tables.size() > kMostRules) throw ConfigError("rules", "more than 100 rules");
  for (const Config& table : tables) {
    RuleReader reader(table);
    rules.push_back(reader.read());
    failed |= reader.failed();
  }
  if (failed) throw ConfigError();
  return rules;
}

}  // namespace gw::cors
