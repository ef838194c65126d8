// SPDX-License-Identifier: Apache-2.0
//
// How many descriptors the process may open, and whether that is enough for the connections that
// the configuration allows.
#pragma once

#include <cstdint>
#include <string>

namespace gw::server {

// Opens /dev/null where standard input, output or error is closed: a socket in its place would be taken
// for it.
void open_standard_descriptors();

// Raises the soft limit to the hard one. What is allowed then.
std::uint64_t raise_descriptor_limit();

// How the descriptors that the process may open are shared out, after its own.
struct DescriptorShares {
  std::uint32_t clients;              // connections of clients, of the process
  std::uint32_t upstream_per_worker;  // connections to services
};

// `max_connections` 0: as many as they are enough for. A client that waits or rests needs none to a
// service, so that these are kept an eighth, but 1,024 where that is at most half.
DescriptorShares share_descriptors(std::uint64_t allowed, std::uint32_t max_connections,
                                   std::uint32_t workers);

// Empty when there is anything to share out, else a sentence: the process cannot serve.
std::string descriptors_missing(std::uint64_t allowed, std::uint32_t workers);

// Empty when they are enough for `max_connections` (0: for some hundred), else a sentence that says
// what is not.
std::string descriptor_shortage(std::uint64_t allowed, std::uint32_t max_connections,
                                std::uint32_t workers);

}  // namespace gw::server
