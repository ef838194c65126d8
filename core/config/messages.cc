// SPDX-License-Identifier: Apache-2.0
#include "config/messages.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <utility>

#include "settings/document.h"

namespace gw::config {

namespace {

constexpr std::string_view kBuiltInLanguage = "ko";

struct Text {
  std::string_view key;
  std::string_view text;
};

// Keys are the codes of the error envelope.
constexpr Text kKorean[] = {
    {"BAD_REQUEST", "잘못된 요청입니다."},
    {"VALIDATION_ERROR", "입력값이 올바르지 않습니다."},
    {"USER_ID_REQUIRED", "로그인이 필요합니다."},
    {"INVALID_TOKEN", "유효하지 않은 토큰입니다."},
    {"EXPIRED_TOKEN", "만료된 토큰입니다."},
    {"FORBIDDEN", "접근 권한이 없습니다."},
    {"ACCESS_DENIED", "접근이 거부되었습니다."},
    {"NOT_IN_QUEUE", "대기열에 등록되지 않은 사용자입니다."},
    {"NOT_FOUND", "요청한 리소스를 찾을 수 없습니다."},
    {"ENDPOINT_NOT_FOUND", "요청한 경로를 찾을 수 없습니다."},
    {"USER_ID_NOT_FOUND", "사용자를 찾을 수 없습니다."},
    {"METHOD_NOT_ALLOWED", "지원하지 않는 HTTP 메서드입니다."},
    {"REQUEST_TIMEOUT", "요청 시간이 초과되었습니다."},
    {"PAYLOAD_TOO_LARGE", "요청 본문이 너무 큽니다."},
    {"URI_TOO_LONG", "요청 주소가 너무 깁니다."},
    {"EXPECTATION_FAILED", "요청의 Expect 조건을 처리할 수 없습니다."},
    {"TOO_MANY_REQUESTS", "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요."},
    {"REQUEST_HEADER_FIELDS_TOO_LARGE", "요청 헤더가 너무 큽니다."},
    {"INTERNAL_SERVER_ERROR", "서버 내부 오류가 발생했습니다."},
    {"NOT_IMPLEMENTED", "지원하지 않는 요청입니다."},
    {"EXTERNAL_API_ERROR", "외부 서비스 호출 중 오류가 발생했습니다."},
    {"SERVICE_UNAVAILABLE", "서비스를 일시적으로 사용할 수 없습니다."},
    {"CIRCUIT_BREAKER_OPEN", "서비스가 일시적으로 차단되었습니다. 잠시 후 다시 시도해 주세요."},
    {"RETRY_EXHAUSTED", "재시도 횟수를 초과했습니다."},
    {"EXTERNAL_API_TIMEOUT", "외부 서비스 응답 시간이 초과되었습니다."},
    {"HTTP_VERSION_NOT_SUPPORTED", "지원하지 않는 HTTP 버전입니다."},
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

// "ko", "en", "zh-Hant": it becomes a file name, so nothing else.
bool is_language(std::string_view text) {
  return !text.empty() && text.size() <= 35 && std::all_of(text.begin(), text.end(), [](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view take(std::string_view& text, char separator) {
  std::size_t at = text.find(separator);
  std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return trimmed(head);
}

// "0.8" as 800; what is no weight counts as 0.
int weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  int value = (text[0] - '0') * 1000, unit = 100;
  if (text.size() > 1 && text[1] != '.') return 0;
  for (char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') return 0;
    value += (c - '0') * unit;
    unit /= 10;
  }
  return std::min(value, 1000);
}

}  // namespace

Messages::Messages() : languages_{std::string(kBuiltInLanguage)} {}

Messages::Messages(std::vector<std::string> languages, const std::string& folder,
                   settings::Complaints& complaints)
    : Messages() {
  if (!languages.empty()) languages_ = std::move(languages);
  if (folder.empty()) return;
  for (const std::string& language : languages_) read(language, folder, complaints);
}

std::string Messages::problem(const std::string& language, const std::string& folder) {
  if (!is_language(language)) return "\"" + language + "\" is not a language such as ko or en";
  if (language == kBuiltInLanguage) return "";
  if (folder.empty())
    return "the language " + language + " needs a catalogue: name the folder that holds " +
           language + ".toml in `messages`";
  std::error_code failed;
  if (std::filesystem::exists(folder + "/" + language + ".toml", failed)) return "";
  return "the language " + language + " needs a catalogue: there is no " + folder + "/" + language +
         ".toml";
}

void Messages::read(const std::string& language, const std::string& folder,
                    settings::Complaints& complaints) {
  settings::Complaints mine;
  std::string path = folder + "/" + language + ".toml";
  auto document = settings::parse_file(path, mine);
  if (document == nullptr) {
    bool missing = mine.lines()[0].ends_with("No such file or directory") ||
                   mine.lines()[0].ends_with("not a file");
    if (!missing || language != kBuiltInLanguage) complaints.append(mine);
    return;
  }
  Catalogue& catalogue = catalogues_[language];
  // [queue] waiting = "..." is the key "queue.waiting".
  auto walk = [&](const auto& self, const settings::Node& table,
                  const std::string& prefix) -> void {
    for (const settings::Entry& entry : table.entries) {
      std::string key = prefix + entry.key;
      if (entry.value.kind == settings::Node::Kind::kTable)
        self(self, entry.value, key + ".");
      else if (entry.value.kind == settings::Node::Kind::kString)
        catalogue.insert_or_assign(key, entry.value.text);
      else
        complaints.add(path, entry.value.position, "\"" + key + "\" must be a string");
    }
  };
  walk(walk, document->root, "");
}

std::string_view Messages::choose(std::string_view accept_language) const {
  std::string_view best = languages_[0];
  if (languages_.size() == 1) return best;
  int best_weight = 0;
  // What a client sends is not worth more than this many comparisons.
  for (int ranges = 0; ranges < 32 && !accept_language.empty(); ++ranges) {
    std::string_view parameters = take(accept_language, ',');
    std::string_view range = take(parameters, ';');
    int value = 1000;
    while (!parameters.empty()) {
      std::string_view parameter = take(parameters, ';');
      if (parameter.size() >= 2 && lower(parameter[0]) == 'q' && parameter[1] == '=')
        value = weight(parameter.substr(2));
    }
    if (value <= best_weight) continue;
    for (const std::string& language : languages_) {
      // Lookup of RFC 4647 3.4: "en-US" finds "en"; "*" finds the default.
      bool below = range.size() > language.size() && range[language.size()] == '-' &&
                   equal(range.substr(0, language.size()), language);
      if (range != "*" && !below && !equal(range, language)) continue;
      best = language;
      best_weight = value;
      break;
    }
  }
  return best;
}

std::string_view Messages::text(std::string_view key, std::string_view language,
                                std::string_view fallback) const {
  auto find = [&](std::string_view name) -> const std::string* {
    auto catalogue = catalogues_.find(name);
    if (catalogue == catalogues_.end()) return nullptr;
    auto found = catalogue->second.find(key);
    return found == catalogue->second.end() ? nullptr : &found->second;
  };
  if (const std::string* text = find(language)) return *text;
  if (!fallback.empty()) return fallback;
  if (const std::string* text = find(languages_[0])) return *text;
  for (const Text& text : kKorean)
    if (text.key == key) return text.text;
  return {};
}

}  // namespace gw::config
