// SPDX-License-Identifier: Apache-2.0
//
// Path patterns as Spring's PathPattern has them, matched segment by segment against a canonical
// path:
//   ?            one character          /t?st
//   *            within one segment     /a/*  (also /a/)   /a/*/b (at least one character)
//   /*-service/x
//   **           segments, zero or more, at the start or the end only   /a/** (also /a)   /**/b
//   {name}       one segment of at least one character, or a part of one: /{id}.json
//   {*name}      as **, captured with its leading '/'
// Case counts, and so does a final '/'. Escapes (%xx) of the path are decoded while comparing; the
// pattern is plain text. Not taken over: {name:regex}, which would need an engine that cannot be
// bounded here.
//
// Matching keeps what it captures as views, allocates nothing, and costs at most
// |segment| * |pattern of the segment| steps a segment.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw {

// What a match captured, in the order of the pattern. Views of the pattern (names) and of the path
// (values, escapes kept).
struct PathCaptures {
  static constexpr std::size_t kMost = 16;
  struct Variable {
    std::string_view name;
    std::string_view value;
  };
  std::array<Variable, kMost> variables{};
  std::size_t count = 0;

  // Empty data() when there is none of that name.
  std::string_view find(std::string_view name) const {
    for (std::size_t i = 0; i < count; ++i)
      if (variables[i].name == name) return variables[i].value;
    return {};
  }
};

// A compiled pattern: a value, immutable after compile, usable from any thread.
class PathPattern {
 public:
  static constexpr std::size_t kMaxLength = 1024;
  static constexpr std::size_t kMaxSegments = 64;

  // Matches nothing until compiled.
  PathPattern() = default;

  // Compiles `text` ('/' is put before it when missing). Returns what is wrong with it; empty:
  // nothing.
  [[nodiscard]] std::string compile(std::string_view text) {
    text_.clear(), segments_.clear(), names_.clear(), prefix_.clear(), rest_ = kNone;
    if (text.empty()) return "the pattern is empty";
    if (text.size() > kMaxLength) return "the pattern is longer than 1024 bytes";
    std::string whole(text.front() == '/' ? "" : "/");
    whole += text;
    std::string error = compile_segments(std::string_view(whole).substr(1));
    if (error.empty()) {
      text_ = std::move(whole);
      for (const Segment& segment : segments_) {
        if (segment.kind != Kind::kLiteral || segment.literal.find('%') != std::string::npos) break;
        (prefix_ += '/') += segment.literal;
      }
    } else {
      segments_.clear();
    }
    return error;
  }

  // Does it match a canonical path? `captures` (may be null) is filled when it does, and its views
  // live as long as `path` and this pattern.
  bool match(std::string_view path, PathCaptures* captures = nullptr) const {
    if (!may_match(path) || text_.empty() || path.empty() || path.front() != '/') return false;
    if (captures != nullptr) captures->count = 0;
    if (rest_ == kNone) {
      return match_run(path, 0, segments_.size(), captures) == path.size();
    }
    return rest_ == 0 ? match_tail(path, captures) : match_head(path, captures);
  }

  // The pattern as compiled; empty before.
  const std::string& text() const { return text_; }

  // The first segment where it is plain text, for a table of patterns; empty when any could match.
  std::string_view first_literal() const {
    if (segments_.empty() || segments_[0].kind != Kind::kLiteral) return {};
    return segments_[0].literal;
  }

 private:
  enum class Kind { kLiteral, kStar, kCapture, kMixed, kRest };
  enum class TokenKind { kByte, kOne, kStar, kCapture };
  struct Token {
    TokenKind kind;
    char byte = 0;
    std::size_t name = 0;
  };
  struct Segment {
    Kind kind = Kind::kLiteral;
    std::string literal;
    std::size_t name = kNone;   // kCapture, kRest: index into names_
    std::vector<Token> tokens;  // kMixed
    bool captures = false;
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // --- Compiling ---

  std::string compile_segments(std::string_view text) {
    for (std::size_t start = 0; start <= text.size();) {
      std::size_t end = text.find('/', start);
      if (end == std::string_view::npos) end = text.size();
      if (segments_.size() == kMaxSegments) return "the pattern has more than 64 segments";
      std::string error = compile_segment(text.substr(start, end - start));
      if (!error.empty()) return error;
      bool empty = segments_.back().kind == Kind::kLiteral && segments_.back().literal.empty();
      if (empty && end != text.size()) return "the pattern has an empty segment ('//')";
      start = end + 1;
    }
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      if (segments_[i].kind != Kind::kRest) continue;
      if (i != 0 && i + 1 != segments_.size())
        return "'**' and '{*name}' stand at the start or the end only";
      if (rest_ != kNone) return "'**' and '{*name}' stand in a pattern once";
      rest_ = i;
    }
    return {};
  }

  std::string compile_segment(std::string_view text) {
    Segment& segment = segments_.emplace_back();
    if (text == "**") {
      segment.kind = Kind::kRest;
      return {};
    }
    if (text.substr(0, 2) == "{*") {
      segment.kind = Kind::kRest;
      if (text.back() != '}') return "'{*name}' is a whole segment";
      return add_name(text.substr(2, text.size() - 3), segment.name);
    }
    std::string error = compile_tokens(text, segment);
    if (!error.empty()) return error;
    bool plain = true;
    for (const Token& token : segment.tokens) plain = plain && token.kind == TokenKind::kByte;
    if (plain) {
      segment.literal = text;
    } else if (segment.tokens.size() == 1 && segment.tokens[0].kind == TokenKind::kStar) {
      segment.kind = Kind::kStar;
    } else if (segment.tokens.size() == 1 && segment.tokens[0].kind == TokenKind::kCapture) {
      segment.kind = Kind::kCapture;
      segment.name = segment.tokens[0].name;
    } else {
      segment.kind = Kind::kMixed;
    }
    return {};
  }

  std::string compile_tokens(std::string_view text, Segment& segment) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      char c = text[i];
      if (c == '}') return "'}' without '{'";
      bool after_any =
          !segment.tokens.empty() && (segment.tokens.back().kind == TokenKind::kStar ||
                                      segment.tokens.back().kind == TokenKind::kCapture);
      if (after_any && c == '*')
        return "'**' is a whole segment; two wildcards need text between them";
      if (after_any && c == '{') return "two wildcards need text between them";
      if (c == '*') {
        segment.tokens.push_back({TokenKind::kStar});
      } else if (c == '?') {
        segment.tokens.push_back({TokenKind::kOne});
      } else if (c == '{') {
        std::size_t end = text.find('}', i);
        if (end == std::string_view::npos) return "'{' without '}'";
        Token token{TokenKind::kCapture};
        std::string error = add_name(text.substr(i + 1, end - i - 1), token.name);
        if (!error.empty()) return error;
        segment.tokens.push_back(token);
        segment.captures = true;
        i = end;
      } else {
        segment.tokens.push_back({TokenKind::kByte, c});
      }
    }
    return {};
  }

  std::string add_name(std::string_view name, std::size_t& index) {
    if (name.find(':') != std::string_view::npos)
      return "a regular expression in '{name:regex}' is not supported";
    if (name.empty()) return "a variable needs a name";
    for (std::size_t i = 0; i < name.size(); ++i) {
      char c = name[i];
      bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
      bool other = (c >= '0' && c <= '9') || c == '-';
      if (!letter && (i == 0 || !other))
        return "'" + std::string(name) + "' is not a variable's name";
    }
    for (const std::string& known : names_)
      if (known == name) return "the variable '" + std::string(name) + "' stands there twice";
    if (names_.size() == PathCaptures::kMost) return "the pattern has more than 16 variables";
    index = names_.size();
    names_.emplace_back(name);
    return {};
  }

  // --- Matching ---

  static constexpr std::size_t kFailed = kNone;

  // A quick no for most patterns of a long list: what matches starts with prefix_, and where the two
  // part, with an escape.
  bool may_match(std::string_view path) const {
    if (path.size() < prefix_.size()) return false;
    auto [end, at] = std::mismatch(prefix_.begin(), prefix_.end(), path.begin());
    return end == prefix_.end() || *at == '%';
  }

  // Matches segments [from, to) at the start of `path`; how much of it they took, or kFailed.
  std::size_t match_run(std::string_view path, std::size_t from, std::size_t to,
                        PathCaptures* captures) const {
    std::size_t at = 0;
    for (std::size_t i = from; i < to; ++i) {
      if (at >= path.size() || path[at] != '/') return kFailed;
      std::size_t end = path.find('/', at + 1);
      if (end == std::string_view::npos) end = path.size();
      bool last = i + 1 == segments_.size() && end == path.size();
      if (!match_segment(segments_[i], path.substr(at + 1, end - at - 1), last, captures))
        return kFailed;
      at = end;
    }
    return at;
  }

  // a/b/**
  bool match_head(std::string_view path, PathCaptures* captures) const {
    std::size_t end = match_run(path, 0, rest_, captures);
    if (end == kFailed) return false;
    capture(captures, segments_[rest_].name, path.substr(end));
    return true;
  }

  // **/a/b: the last segments must match, whatever stands before them.
  bool match_tail(std::string_view path, PathCaptures* captures) const {
    std::size_t start = path.size();
    if (segments_.size() == 1) {  // all there is
      capture(captures, segments_[0].name, path);
      return true;
    }
    for (std::size_t i = 1; i < segments_.size(); ++i) {
      if (start == 0) return false;
      start = path.rfind('/', start - 1);
      if (start == std::string_view::npos) return false;
    }
    capture(captures, segments_[0].name, path.substr(0, start));
    std::string_view tail = path.substr(start);
    return match_run(tail, 1, segments_.size(), captures) == tail.size();
  }

  bool match_segment(const Segment& segment, std::string_view text, bool last,
                     PathCaptures* captures) const {
    switch (segment.kind) {
      case Kind::kLiteral:
        return equals_decoded(segment.literal, text);
      case Kind::kStar:
        return last || !text.empty();
      case Kind::kCapture:
        if (text.empty()) return false;
        capture(captures, segment.name, text);
        return true;
      case Kind::kMixed:
        return !(segment.captures && text.empty()) && match_tokens(segment.tokens, text, captures);
      case Kind::kRest:
        break;
    }
    return false;
  }

  void capture(PathCaptures* captures, std::size_t name, std::string_view value) const {
    if (captures == nullptr || name == kNone) return;
    captures->variables[captures->count++] = {names_[name], value};
  }

  static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  }

  static bool equals_decoded(std::string_view literal, std::string_view text) {
    if (text.find('%') == std::string_view::npos) return literal == text;
    std::size_t end = text.size();
    for (std::size_t i = literal.size(); i-- > 0;) {
      char byte = 0;
      if (!step_back(text, end, byte) || byte != literal[i]) return false;
    }
    return end == 0;
  }

  // The (decoded) byte before `end`, which is moved before it. A canonical path has no '%' that is
  // not an escape, so that reading backwards is as clear as reading forwards.
  static bool step_back(std::string_view text, std::size_t& end, char& byte) {
    if (end == 0) return false;
    if (end >= 3 && text[end - 3] == '%' && hex(text[end - 2]) >= 0 && hex(text[end - 1]) >= 0) {
      byte = static_cast<char>(hex(text[end - 2]) * 16 + hex(text[end - 1]));
      end -= 3;
    } else {
      byte = text[--end];
    }
    return true;
  }

  // One character of UTF-8.
  static bool step_back_character(std::string_view text, std::size_t& end) {
    char byte = 0;
    for (int i = 0; i < 4; ++i) {
      if (!step_back(text, end, byte)) return i > 0;
      if ((static_cast<unsigned char>(byte) & 0xC0) != 0x80) return true;
    }
    return true;
  }

  // From the right, each wildcard as short as possible: that makes the first ones as long as
  // possible, as Java's greedy expressions have it. Only the wildcard met last is ever taken up
  // again.
  bool match_tokens(const std::vector<Token>& tokens, std::string_view text,
                    PathCaptures* captures) const {
    struct Span {
      std::size_t name, start, end;
    };
    std::array<Span, PathCaptures::kMost> spans{};
    std::size_t span_count = 0;
    std::size_t t = tokens.size(), end = text.size();
    std::size_t retry_token = kNone,
                retry_end = 0;  // the wildcard that may grow: its token, its start
    while (t > 0 || end > 0) {
      if (t > 0) {
        const Token& token = tokens[t - 1];
        if (token.kind == TokenKind::kStar || token.kind == TokenKind::kCapture) {
          if (token.kind == TokenKind::kCapture) spans[span_count++] = {token.name, end, end};
          retry_token = t--, retry_end = end;
          continue;
        }
        std::size_t before = end;
        char byte = 0;
        bool fits = token.kind == TokenKind::kOne
                        ? step_back_character(text, before)
                        : step_back(text, before, byte) && byte == token.byte;
        if (fits) {
          --t, end = before;
          continue;
        }
      }
      if (retry_token == kNone || !step_back_character(text, retry_end)) return false;
      t = retry_token - 1, end = retry_end;
      if (tokens[retry_token - 1].kind == TokenKind::kCapture)
        spans[span_count - 1].start = retry_end;
    }
    while (span_count-- > 0)
      capture(
          captures, spans[span_count].name,
          text.substr(spans[span_count].start, spans[span_count].end - spans[span_count].start));
    return true;
  }

  std::string text_;
  std::string prefix_;  // what stands before the first wildcard's segment (or one with a '%')
  std::vector<Segment> segments_;
  std::vector<std::string> names_;
  std::size_t rest_ = kNone;  // the segment that is ** or {*name}
};

}  // namespace gw
