// SPDX-License-Identifier: Apache-2.0
//
// How many descriptors the process may open, and whether that is enough for the connections that
// the configuration allows.
#pragma once

#include <cstdint>
#include <string>

namespace gw::server {

// Raises the soft limit to the hard one. What is allowed then.
std::uint64_t raise_descriptor_limit();

// How many connections of clients so many descriptors are enough for.
std::uint32_t affordable_connections(std::uint64_t allowed, std::uint64_t workers);

// Every client connection may need one to an upstream, and every worker some for itself. Empty when
// `allowed` is enough, else a sentence that says what is not.
std::string descriptor_shortage(std::uint64_t allowed, std::uint64_t max_connections,
                                std::uint64_t workers);

}  // namespace gw::server
