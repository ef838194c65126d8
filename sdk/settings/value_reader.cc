// SPDX-License-Identifier: Apache-2.0
#include "settings/value_reader.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "settings/values.h"
#include "settings/wording.h"

namespace gw::settings {

bool ValueReader::read(CheckedValue& to, const Key& key, const Node& from) {
  switch (key.type) {
    case Type::kString:
      return text(to.text, key, from) && is_one_of(key, to.text, from.position);
    case Type::kPath:
      return path(to.text, key, from);
    case Type::kInteger:
    case Type::kDuration:
    case Type::kSize:
      return integer(to.integer, key, from, key.type) &&
             in_range(key, static_cast<long double>(to.integer), from.position);
    case Type::kFloat:
      return number(to.number, key, from) && in_range(key, to.number, from.position);
    case Type::kBoolean:
      return boolean(to.boolean, key, from);
    case Type::kStrings:
      return strings(to, key, from);
    case Type::kIntegers:
      return integers(to, key, from);
    case Type::kTable:
    case Type::kTables:
      break;
  }
  return false;
}

bool ValueReader::stand_at(Position position) {
  if (fixed_) return false;
  fixed_ = position;
  return true;
}

void ValueReader::complain(Position position, const std::string& message) {
  out_.complaints.add(out_.file, at(position), message);
}

bool ValueReader::wrong_type(const Key& key, const Node& from, std::string_view found_text) {
  std::string message = in_quotes(key.name) + " must be " + expected(key.type) + ", not ";
  if (from.kind == Node::Kind::kString && !is_secret(key.name))
    message += "the string " + in_quotes(found_text.data() != nullptr ? found_text : from.text);
  else
    message += with_article(kind_name(from.kind));
  complain(from.position, message);
  return false;
}

bool ValueReader::expanded(std::string& to, const Key& key, const Node& from) {
  std::string error;
  auto result = expand(from.text, environment_, error);
  if (!result) {
    complain(from.position, in_quotes(key.name) + ": " + error);
    return false;
  }
  to = *std::move(result);
  return true;
}

bool ValueReader::text(std::string& to, const Key& key, const Node& from) {
  if (from.kind != Node::Kind::kString) return wrong_type(key, from);
  return expanded(to, key, from);
}

bool ValueReader::path(std::string& to, const Key& key, const Node& from) {
  if (!text(to, key, from)) return false;
  if (to.find('\0') != std::string::npos) {
    complain(from.position, in_quotes(key.name) + " holds a NUL byte, which no path can");
    return false;
  }
  if (!to.empty() && to[0] != '/')
    to = (std::filesystem::path(folder_) / to).lexically_normal().string();
  return true;
}

// What a string says is read by the type that the schema asks for.
template <class T, class Parse>
bool ValueReader::from_text(T& to, const Key& key, const Node& from, Parse parse) {
  std::string words;
  if (!expanded(words, key, from)) return false;
  auto value = parse(words);
  if (!value) return wrong_type(key, from, words);
  to = *value;
  return true;
}

bool ValueReader::integer(std::int64_t& to, const Key& key, const Node& from, Type type) {
  if (from.kind == Node::Kind::kString) {
    if (type == Type::kDuration) return from_text(to, key, from, parse_duration);
    if (type == Type::kSize) return from_text(to, key, from, parse_size);
    return from_text(to, key, from, parse_integer);
  }
  if (from.kind != Node::Kind::kInteger) return wrong_type(key, from);
  to = from.integer;
  if (type != Type::kInteger && to < 0) {
    complain(from.position,
             in_quotes(key.name) + " is " + std::to_string(to) + "; it cannot be negative");
    return false;
  }
  return true;
}

bool ValueReader::number(double& to, const Key& key, const Node& from) {
  if (from.kind == Node::Kind::kString) return from_text(to, key, from, parse_float);
  if (from.kind == Node::Kind::kInteger) {
    to = static_cast<double>(from.integer);
    return true;
  }
  if (from.kind != Node::Kind::kFloat) return wrong_type(key, from);
  if (!std::isfinite(from.number)) {
    complain(from.position, in_quotes(key.name) + " must be a finite number");
    return false;
  }
  to = from.number;
  return true;
}

bool ValueReader::boolean(bool& to, const Key& key, const Node& from) {
  if (from.kind == Node::Kind::kString) return from_text(to, key, from, parse_boolean);
  if (from.kind != Node::Kind::kBoolean) return wrong_type(key, from);
  to = from.boolean;
  return true;
}

bool ValueReader::in_range(const Key& key, long double value, Position position) {
  bool low = key.minimum && value < *key.minimum;
  bool high = key.maximum && value > *key.maximum;
  if (!low && !high) return true;
  std::string message = in_quotes(key.name);
  if (!is_secret(key.name)) message += " is " + number_text(value) + "; it";
  message += low ? " must be at least " + number_text(*key.minimum)
                 : " must be at most " + number_text(*key.maximum);
  if (key.type == Type::kDuration) message += " (milliseconds)";
  if (key.type == Type::kSize) message += " (bytes)";
  complain(position, message);
  return false;
}

bool ValueReader::is_one_of(const Key& key, const std::string& value, Position position) {
  const auto& allowed = key.one_of;
  if (allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end())
    return true;
  std::string message = in_quotes(key.name);
  if (!is_secret(key.name)) message += " is " + in_quotes(value) + "; it";
  message += " must be one of ";
  for (std::size_t i = 0; i < allowed.size(); ++i)
    message += (i > 0 ? ", " : "") + in_quotes(allowed[i]);
  if (!is_secret(key.name)) message += did_you_mean(value, {allowed.begin(), allowed.end()});
  complain(position, message);
  return false;
}

bool ValueReader::strings(CheckedValue& to, const Key& key, const Node& from) {
  if (from.kind == Node::Kind::kString) {
    std::string words;
    if (!expanded(words, key, from)) return false;
    to.strings = split_list(words);
    to.element_positions.assign(to.strings.size(), at(from.position));
    bool good = true;
    for (const std::string& word : to.strings) good &= is_one_of(key, word, from.position);
    return good;
  }
  if (from.kind != Node::Kind::kArray) return wrong_type(key, from);
  bool good = true;
  for (const Node& element : from.elements) {
    std::string words;
    if (element.kind != Node::Kind::kString) {
      good = wrong_element(key, element, "string");
    } else if (!expanded(words, key, element) || !is_one_of(key, words, element.position)) {
      good = false;
    } else {
      to.strings.push_back(std::move(words));
      to.element_positions.push_back(at(element.position));
    }
  }
  return good;
}

bool ValueReader::integers(CheckedValue& to, const Key& key, const Node& from) {
  auto take = [&](std::optional<std::int64_t> value, const Node& element) {
    if (!value) return wrong_element(key, element, "integer");
    if (!in_range(key, static_cast<long double>(*value), element.position)) return false;
    to.integers.push_back(*value);
    to.element_positions.push_back(at(element.position));
    return true;
  };
  bool good = true;
  std::string words;
  if (from.kind == Node::Kind::kString) {
    if (!expanded(words, key, from)) return false;
    for (const std::string& word : split_list(words)) good &= take(parse_integer(word), from);
    return good;
  }
  if (from.kind != Node::Kind::kArray) return wrong_type(key, from);
  for (const Node& element : from.elements) {
    if (element.kind == Node::Kind::kInteger)
      good &= take(element.integer, element);
    else if (element.kind != Node::Kind::kString)
      good = wrong_element(key, element, "integer");
    else if (expanded(words, key, element))
      good &= take(parse_integer(words), element);
    else
      good = false;
  }
  return good;
}

bool ValueReader::wrong_element(const Key& key, const Node& element, std::string_view wanted) {
  std::string message = "an element of " + in_quotes(key.name) + " must be " + with_article(wanted);
  if (element.kind == Node::Kind::kString && !is_secret(key.name))
    message += ", not the string " + in_quotes(element.text);
  else if (element.kind != Node::Kind::kString)
    message += ", not " + with_article(kind_name(element.kind));
  complain(element.position, message);
  return false;
}

}  // namespace gw::settings
