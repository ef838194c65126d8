// SPDX-License-Identifier: Apache-2.0
//
// The registry as an Eureka server tells it: all instances by application, kept up to date by full
// answers and deltas. What comes is a stranger's: wrong types, too much or nonsense refuses the
// answer as a whole, one odd instance is left out and counted. Home worker only.
#pragma once

#include <cstdint>
#include <gateway/json.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gw::router {

struct EurekaInstance {
  std::string status;      // UP, DOWN, STARTING, OUT_OF_SERVICE, UNKNOWN
  std::string host;        // hostName, else ipAddr
  std::uint16_t port = 0;  // the secure one when that is enabled
  bool secure = false;
  std::vector<std::string> vips;  // lower case

  bool usable = false;  // host, port and a VIP make sense
  bool operator==(const EurekaInstance&) const = default;
};

class Registry {
 public:
  static constexpr std::size_t kMostInstances = 20000;
  static constexpr std::size_t kMaxDepth = 16;

  // Application (upper case) -> instanceId -> instance.
  using Applications = std::map<std::string, std::map<std::string, EurekaInstance>>;

  enum class Delta { kApplied, kMismatch, kInvalid };

  // Both parse an answer's body. `error` says what is wrong with it; the registry is then unchanged
  // (after kMismatch: as the delta left it, good until the full answer that must follow).
  bool replace(std::string_view body, std::string& error);
  Delta apply_delta(std::string_view body, std::string& error);

  const Applications& applications() const { return applications_; }
  std::size_t instance_count() const { return count_; }
  std::size_t odd_instances() const {
    return odd_;
  }  // of the last answer: left out of the balancing
  // Did the last answer change anything that matters here?
  bool changed() const { return changed_; }

  // "DOWN_1_UP_3_"
  static std::string hash_code(const Applications& applications);

 private:
  Applications applications_;
  std::size_t count_ = 0;
  std::size_t odd_ = 0;
  bool changed_ = false;
};

}  // namespace gw::router
