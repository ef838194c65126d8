// SPDX-License-Identifier: Apache-2.0
//
// Exchanges that a gateway has recorded ([[plugin]] record), done again over the fake host.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "testing/fake_host.h"

namespace gw::testing {

// The recordings in a file, one each. Throws std::runtime_error when it cannot be read.
std::vector<std::string> read_recordings(const std::string& path);

// Leads `filter`, which was started, through one recorded exchange: the same request, the same
// answer from behind it. What it does otherwise than then, in words; empty: all is the same.
// Compared are what it makes of the request's head and attributes, its own answer, and what it
// makes of the answer's head. What it asked others for (call-outs, stores) is the test's to
// provide. Throws std::runtime_error for what is no recording.
std::vector<std::string> replay(FakeHost& host, Instance& filter, std::string_view recording);

}  // namespace gw::testing
