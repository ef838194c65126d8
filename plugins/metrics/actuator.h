// SPDX-License-Identifier: Apache-2.0
//
// The Actuator endpoints that this plugin answers. /actuator/gateway/** is the router's.
#pragma once

#include <gateway/plugin.hpp>

#include "request_series.h"
#include "settings.h"

namespace gw::metrics {

// For a path that starts with "/actuator". [worker]
Verdict answer_actuator(Context context, const Settings& settings, Maxima& maxima, Exchange x);

}  // namespace gw::metrics
