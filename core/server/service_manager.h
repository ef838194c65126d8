// SPDX-License-Identifier: Apache-2.0
//
// What the service manager is told (systemd's Type=notify, sd_notify(3)). Where there is none, as
// NOTIFY_SOCKET is not set, nothing happens.
#pragma once

#include <string_view>

namespace gw::server {

inline constexpr std::string_view kReady = "READY=1";
inline constexpr std::string_view kStopping = "STOPPING=1";

// [main] One datagram; never waits.
void tell_service_manager(std::string_view state);
// RELOADING=1, with the time that systemd asks for; kReady follows when it is over.
void tell_service_manager_of_reload();

}  // namespace gw::server
