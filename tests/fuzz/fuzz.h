// SPDX-License-Identifier: Apache-2.0
//
// For the fuzz targets. Each target is one file, <name>_fuzz.cc, with LLVMFuzzerTestOneInput, and
// seeds in corpus/<name>/. Under clang libFuzzer drives it (`make fuzz`); in every other build
// standalone_driver.cc does, as the test fuzz/<name>. A broken promise of the code under test is a
// GW_CHECK: it aborts, which either driver reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace gw::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Where the reads end must make no difference: a small generator to cut inputs up with, the same
// for the same input.
class Cuts {
 public:
  explicit Cuts(std::string_view input) {
    for (const char c : input) state_ = (state_ ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  // From 1 to `most`.
  std::size_t next(std::size_t most) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return 1 + (state_ >> 33) % most;
  }

 private:
  std::uint64_t state_ = 14695981039346656037U;
};

}  // namespace gw::fuzz
