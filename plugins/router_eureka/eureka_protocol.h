// SPDX-License-Identifier: Apache-2.0
//
// What the gateway says to an Eureka server about itself, and the servers' addresses. Knows no ABI
// and no network.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::router {

// This gateway as an instance of its application.
struct Self {
  std::string application;  // as configured; also the VIP address
  std::string host;         // hostName
  std::string ip;
  std::uint16_t port = 0;
  std::int64_t dirty_ms = 0;  // lastDirtyTimestamp: when this instance came to be

  std::string instance_id() const;  // host:application:port
  // "apps/GATEWAY-SERVER" and "apps/GATEWAY-SERVER/<instance id>", below a server's URL.
  std::string application_path() const;
  std::string instance_path() const;
  std::string heartbeat_path() const;
  // Body of the registration.
  std::string registration_json(std::int64_t now_ms) const;
};

// lastDirtyTimestamp of an answer to GET on an instance; 0 when it is not one.
std::int64_t dirty_timestamp_of(std::string_view body);

// The servers, of which the one that worked last is asked first.
class Servers {
 public:
  // Each "http(s)://…"; a missing '/' at the end is added. Returns what is wrong; empty: nothing.
  std::string add(std::string_view url);

  std::size_t size() const { return urls_.size(); }
  std::size_t preferred() const { return preferred_; }
  // Counted around the end: preferred() + 1 is the next to try, whoever works meanwhile.
  const std::string& url(std::size_t i) const { return urls_[i % urls_.size()]; }
  void worked(std::size_t i) { preferred_ = i % urls_.size(); }

 private:
  static constexpr std::size_t kMost = 16;
  std::vector<std::string> urls_;
  std::size_t preferred_ = 0;
};

// A URL without user and password, for the log.
std::string without_credentials(std::string_view url);

// This machine's name and its first IPv4 address that is not loopback ("127.0.0.1" when there is
// none).
std::string local_host_name();
std::string local_address();

}  // namespace gw::router
