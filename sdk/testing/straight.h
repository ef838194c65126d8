// SPDX-License-Identifier: Apache-2.0
//
// A router that sends everything to one place: behind a filter that is tested alone.
#pragma once

#include <gateway/plugin.h>

namespace gw::testing {

// Without configuration. Tries each exchange once.
const gw_plugin& straight_router();

}  // namespace gw::testing
