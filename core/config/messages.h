// SPDX-License-Identifier: Apache-2.0
//
// Messages: the texts that clients read. Korean is built in, because clients compare it; further
// languages are files beside the configuration, used only where `languages` names them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "settings/complaints.h"

namespace gw::config {

// Immutable after construction; any thread.
class Messages {
 public:
  // The built-in Korean texts alone.
  Messages();
  // `languages`: the first is the default. With `folder` not empty, `<folder>/<language>.toml` is
  // read for each (for "ko" it may be missing); complaints say what is wrong with a file. None may
  // have a problem.
  Messages(std::vector<std::string> languages, const std::string& folder,
           settings::Complaints& complaints);

  // Why that language cannot be used, or nothing.
  static std::string problem(const std::string& language, const std::string& folder);

  // The language to answer in, by Accept-Language (RFC 9110 12.5.4; empty: none sent). The header
  // counts only with more than one language. As long as this object.
  std::string_view choose(std::string_view accept_language) const;

  // The text for `key` in `language`: of that language's file, else `fallback`, else of the default
  // language's file, else the built-in one; empty when there is none. The built-in texts come last
  // because a caller's own words for a code are more exact. As long as this object (or `fallback`).
  std::string_view text(std::string_view key, std::string_view language,
                        std::string_view fallback) const;

  const std::vector<std::string>& languages() const { return languages_; }

 private:
  using Catalogue = std::map<std::string, std::string, std::less<>>;
  void read(const std::string& language, const std::string& folder,
            settings::Complaints& complaints);

  std::vector<std::string> languages_;
  std::map<std::string, Catalogue, std::less<>> catalogues_;
};

}  // namespace gw::config
