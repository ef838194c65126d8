// SPDX-License-Identifier: Apache-2.0
//
// GW_CHECK: what cannot be unless the program is wrong. It aborts in every build: going on would
// serve visitors from a state that nobody has thought about.
#pragma once

namespace gw::base {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace gw::base

#define GW_CHECK(condition) \
  ((condition) ? (void)0 : ::gw::base::check_failed(#condition, __FILE__, __LINE__))
