// SPDX-License-Identifier: Apache-2.0
//
// Words that complaints are made of.
#pragma once

#include <string>
#include <string_view>

#include "settings/schema.h"

namespace gw::settings {

// Does the name end in password, secret or token? A value of such a key is never shown.
bool is_secret(std::string_view key);
std::string in_quotes(std::string_view text);
// "an integer", "a table".
std::string with_article(std::string_view noun);
// What a type asks for: "a duration, such as ...".
std::string expected(Type type);
// Without zeros that say nothing.
std::string number_text(long double value);

}  // namespace gw::settings
