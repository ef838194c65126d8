// SPDX-License-Identifier: Apache-2.0
//
// Placeholders as Spring has them: ${NAME} and ${NAME:default} anywhere in a string.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace gw::settings {

// The value of an environment variable; nothing when it is not set. Set but empty is empty.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// The process's own environment.
Environment process_environment();

// `text` with every placeholder replaced. The first colon splits name and default; braces inside a
// default are balanced, and a default may hold placeholders. What a variable holds is not looked at
// again. `$${` stands for a literal `${`. On failure `error` says what is wrong and nothing comes
// back.
std::optional<std::string> expand(std::string_view text, const Environment& environment,
                                  std::string& error);

}  // namespace gw::settings
