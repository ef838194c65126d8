// SPDX-License-Identifier: Apache-2.0
#include "token_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include "development_issuer.h"

namespace gw::auth {
namespace {

using nlohmann::json;

// "90", "90s", "15m", "1h", "7d" in seconds.
std::optional<std::int64_t> read_ttl(const std::string& text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || digits > 9) return std::nullopt;
  std::int64_t value = std::stoll(text.substr(0, digits));
  std::string unit = text.substr(digits);
  std::int64_t factor = unit.empty() || unit == "s" ? 1
                        : unit == "m"               ? 60
                        : unit == "h"               ? 3600
                        : unit == "d"               ? 86400
                                                    : 0;
  if (factor == 0 || value == 0) return std::nullopt;
  return value * factor;
}

// name=text or name:=json. The error, or empty.
std::string add_claim(json& claims, const std::string& text) {
  std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return "--claim is written name=text or name:=json, not \"" + text + "\"";
  bool as_json = text[equals - 1] == ':';
  std::string name = text.substr(0, as_json ? equals - 1 : equals);
  std::string value = text.substr(equals + 1);
  if (!as_json) {
    claims[name] = value;
    return {};
  }
  std::optional<json> parsed = parse_json(value);
  if (!parsed) return "the value of --claim " + name + " is not JSON";
  claims[name] = *parsed;
  return {};
}

}  // namespace

CommandOutput run_token_command(const Settings& settings, std::vector<std::string> arguments,
                                std::int64_t now_ms) {
  CLI::App app("Prints a bearer token of the development issuer.", "gateway token");
  std::string subject;
  std::string ttl_text = "1h";
  std::string issuer = settings.policy.issuer;
  std::vector<std::string> audiences = settings.policy.audiences;
  std::vector<std::string> claim_texts;
  app.add_option("--sub", subject, "Whom the token is for")->required();
  app.add_option("--claim", claim_texts,
                 "A further claim: name=text, or name:=json; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--ttl", ttl_text, "How long it is valid: 90s, 15m, 1h, 7d");
  app.add_option("--issuer", issuer,
                 "Claim iss; otherwise the one that the configuration asks for");
  app.add_option("--audience", audiences, "Claim aud; otherwise the configured ones");
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the end
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    return {0, app.help(), ""};
  } catch (const CLI::ParseError& error) {
    return {2, "", std::string(error.what()) + "\nRun gateway token --help for more.\n"};
  }
  std::optional<std::int64_t> ttl = read_ttl(ttl_text);
  if (!ttl) return {2, "", "--ttl is a time such as 90s, 15m, 1h or 7d\n"};
  if (!settings.development_issuer)
    return {1, "", "the configuration does not have development_issuer = true\n"};

  json claims = {{"sub", subject}, {"iat", now_ms / 1000}, {"exp", now_ms / 1000 + *ttl}};
  if (!issuer.empty()) claims["iss"] = issuer;
  if (!audiences.empty()) claims["aud"] = audiences;
  for (const std::string& text : claim_texts)
    if (std::string error = add_claim(claims, text); !error.empty()) return {2, "", error + "\n"};

  DevelopmentIssuer::Opened opened = DevelopmentIssuer::open(settings.development_key);
  if (!opened.issuer) return {1, "", opened.error + "\n"};
  std::string token = opened.issuer->issue(claims);
  if (token.empty()) return {1, "", "the token could not be made\n"};
  return {0, token + "\n", ""};
}

}  // namespace gw::auth
