// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace gw::queue {

// ISO 8601 in UTC with milliseconds: 2025-01-15T10:30:00.000Z.
std::string iso_timestamp(std::int64_t wall_ms);

}  // namespace gw::queue
