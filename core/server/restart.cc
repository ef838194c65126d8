// SPDX-License-Identifier: Apache-2.0
#include "server/restart.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "server/listeners.h"

namespace gw::server {

namespace {

using settings::Entry;
using settings::Node;

// Keys of [server] that a reload takes over. Those about listeners are compared apart.
constexpr std::string_view kFollowed[] = {
    "body_idle_timeout",
    "canary_max_errors_percent",
    "canary_percent",
    "canary_time",
    "connect_timeout",
    "drain_timeout",
    "forwarded",
    "half_closed_timeout",
    "header_timeout",
    "idle_timeout",
    "languages",
    "listen",
    "log_level",
    "max_body_bytes",
    "max_connections",
    "max_connections_per_peer",
    "max_header_bytes",
    "max_header_count",
    "max_stream_unsent_bytes",
    "max_target_bytes",
    "max_upstream_connections_per_endpoint",
    "max_upstream_header_bytes",
    "max_upstream_header_count",
    "max_upstream_waiting_per_endpoint",
    "messages",
    "plugin_path",
    "request_id",
    "resolve_refresh",
    "response_headers",
    "response_timeout",
    "start_timeout",
    "trusted_proxies",
    "underscore_headers",
    "upstream_body_idle_timeout",
    "upstream_idle_timeout",
    "watch_files",
    "websocket_idle_timeout",
    "write_timeout",
};

bool same(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.text != b.text || a.integer != b.integer || a.number != b.number ||
      a.boolean != b.boolean || a.elements.size() != b.elements.size() ||
      a.entries.size() != b.entries.size())
    return false;
  for (std::size_t i = 0; i < a.elements.size(); ++i)
    if (!same(a.elements[i], b.elements[i])) return false;
  return std::all_of(a.entries.begin(), a.entries.end(), [&b](const Entry& entry) {
    const Entry* other = b.find(entry.key);
    return other != nullptr && same(entry.value, other->value);
  });
}

// Keys of `one` that `other` lacks or has with another value.
template <class Found>
void differences(const Node& one, const Node* other, Found found) {
  for (const Entry& entry : one.entries) {
    if (std::ranges::find(kFollowed, entry.key) != std::end(kFollowed)) continue;
    const Entry* match = other == nullptr ? nullptr : other->find(entry.key);
    if (match == nullptr || !same(entry.value, match->value)) found(entry, match);
  }
}

void complain_about_listeners(const config::GatewayConfig& running,
                              const config::GatewayConfig& next, settings::Complaints& complaints) {
  const bool opens = opens_to_others(running, next);
  for (const config::Listener& listener : next.listeners) {
    if (opens && !listener.address.loopback)
      complaints.add(next.document->file, listener.position,
                     "listener " + listener.address.text +
                         " is the first that others can reach: needs a restart");
    for (const config::Listener& other : running.listeners)
      if (listener.address.is_unix && listener.address.text == other.address.text &&
          listener.mode != other.mode)
        complaints.add(next.document->file, listener.position,
                       "the mode of " + listener.address.text + " has changed: needs a restart");
  }
}

}  // namespace

void complain_about_restart(const config::GatewayConfig& running, const config::GatewayConfig& next,
                            settings::Complaints& complaints) {
  const std::string& file = next.document->file;
  complain_about_listeners(running, next, complaints);
  const Entry* before = running.document->root.find("server");
  const Entry* after = next.document->root.find("server");
  if (after != nullptr)
    differences(after->value, before == nullptr ? nullptr : &before->value,
                [&](const Entry& entry, const Entry*) {
                  complaints.add(file, entry.key_position,
                                 "[server] " + entry.key + " has changed: needs a restart");
                });
  if (before != nullptr)
    differences(before->value, after == nullptr ? nullptr : &after->value,
                [&](const Entry& entry, const Entry* match) {
                  if (match == nullptr)
                    complaints.add(file,
                                   after == nullptr ? settings::Position{} : after->key_position,
                                   "[server] " + entry.key + " is gone: needs a restart");
                });
}

}  // namespace gw::server
