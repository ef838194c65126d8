// SPDX-License-Identifier: Apache-2.0
#include "server/restart.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace gw::server {

namespace {

using settings::Entry;
using settings::Node;

// Keys of [server] that a reload takes over. Those about listeners are compared apart.
constexpr std::string_view kFollowed[] = {
    "body_idle_timeout",
    "connect_timeout",
    "drain_timeout",
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

bool same_listener(const config::Listener& a, const config::Listener& b) {
  return a.name == b.name && a.address.text == b.address.text &&
         a.proxy_protocol == b.proxy_protocol;
}

bool has(const std::vector<config::Listener>& all, const config::Listener& wanted) {
  return std::any_of(all.begin(), all.end(),
                     [&wanted](const auto& one) { return same_listener(one, wanted); });
}

}  // namespace

void complain_about_restart(const config::GatewayConfig& running, const config::GatewayConfig& next,
                            settings::Complaints& complaints) {
  const std::string& file = next.document->file;
  for (const config::Listener& listener : next.listeners)
    if (!has(running.listeners, listener))
      complaints.add(file, listener.position,
                     "listener " + listener.address.text + " is new or changed: needs a restart");
  for (const config::Listener& listener : running.listeners)
    if (!has(next.listeners, listener))
      complaints.add(file, {}, "listener " + listener.address.text + " is gone: needs a restart");

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

void complain_about_unsupported(const config::GatewayConfig& config,
                                settings::Complaints& complaints) {
  for (const config::Listener& listener : config.listeners)
    if (listener.proxy_protocol)
      complaints.add(config.document->file, listener.position,
                     "proxy_protocol is not supported by this version of the gateway");
}

}  // namespace gw::server
