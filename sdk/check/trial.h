// SPDX-License-Identifier: Apache-2.0
//
// One check in a process that may die of it.
#pragma once

#include <cstdint>
#include <string>

#include "check/checks.h"

namespace gw::check {

struct Verdict {
  bool good = false;
  std::string text;  // a remark, or what is wrong
};

// In a check's process: what it does now, such as "while it starts". Said when the process dies or hangs there.
void doing(const std::string& what);

// Ends the process, and all that it started in its group, after `limit_ms`.
Verdict try_out(const Check& check, const Subject& subject, std::uint32_t limit_ms);

}  // namespace gw::check
