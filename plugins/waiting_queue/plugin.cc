// SPDX-License-Identifier: Apache-2.0
//
// waiting_queue: lets as many people in as the shop behind can serve, the others wait their turn.
// Glue only.
#include <gateway/plugin.hpp>

#include "blob.h"
#include "queue_part.h"
#include "settings.h"

namespace gw::queue {

class WaitingQueue : public Shared {
 public:
  using Part = QueuePart;

  WaitingQueue(Context host, Config config) : Shared(host, Settings::read(config)) {}

  void start(Part& home) { home.start(); }

  static constexpr std::uint32_t kHandoverFormat = kBlobFormat;
  gw_status export_state(Part& home, std::string& blob) { return home.export_state(blob); }
  gw_status import_state(Part& home, std::uint32_t format, std::string_view blob) {
    return home.import_state(format, blob);
  }
  void state_moved(Part& home) { home.state_moved(); }
  gw_status answer(Part& home, std::uint32_t format, std::string_view question, std::string& out) {
    return home.answer(format, question, out);
  }
};

}  // namespace gw::queue

GW_PLUGIN(gw::queue::WaitingQueue, R"toml(
id = "waiting_queue"
version = "0.1.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Waiting queue and admission control"
requires = ["gw.context/1", "gw.config/1", "gw.attribute/1", "gw.text/1", "gw.exchange/1", "gw.stream/1",
            "gw.worker/1", "gw.timer/1", "gw.fd/1", "gw.turn/1", "gw.post/1", "gw.resolve/1", "gw.log/1",
            "gw.clock/1", "gw.random/1", "gw.metrics/1", "gw.health/1"]
optional = ["gw.successor/1"]
provides = ["gw.instance/1", "gw.filter/1", "gw.handover/1"]

[attributes]
consumes = ["identity.subject"]
uses = ["request.id", "trace.id"]

[config.store]
type = "string"
default = "redis://${REDIS_IP:localhost}:6379"
doc = "Who keeps the queue: memory (this process alone), redis://[user:password@]host[:port][/db], redis+sentinel://host[:port],.../master[?db=n], redis+cluster://host[:port],..., each as rediss for TLS, or unix:/path[?db=n]."
[config.password]
type = "string"
default = "${REDIS_PW:}"
doc = "Password for Redis, in place of one in `store`."
[config.sentinel_password]
type = "string"
default = ""
doc = "Password for the sentinels, if they want one."
[config.tls_ca]
type = "path"
default = ""
doc = "With rediss: a file of the authorities that may have signed the server's certificate (PEM); empty: the system's."
[config.tls_certificate]
type = "path"
default = ""
doc = "With rediss: our own certificate (PEM), if the server asks for one."
[config.tls_key]
type = "path"
default = ""
doc = "The key of tls_certificate (PEM)."
[config.key_prefix]
type = "string"
default = ""
doc = "Stands before all keys; with a hash tag, {concert-42}:, it names a further queue."
[config.capacity]
type = "integer"
default = "${ALLOWED_IN_MAX_CAPACITY:100}"
minimum = 0
maximum = 10000000
doc = "How many people may be admitted at a time."
[config.duration_seconds]
type = "integer"
default = "${ALLOWED_IN_DURATION_SECONDS:240}"
minimum = 1
maximum = 31536000
doc = "How long an admission lasts after the last call that renews it."
[config.settings_version]
type = "integer"
default = 0
minimum = 0
maximum = 1000000000
doc = "Capacity and duration of the highest version are in force in all gateways; at equal versions, those of the gateway that started last."
[config.max_stay_seconds]
type = "integer"
default = 0
minimum = 0
maximum = 31536000
doc = "Ends an admission in spite of renewals; 0: never."
[config.relineup]
type = "string"
default = "back"
one_of = ["back", "keep"]
doc = "Where lining up again leads while waiting."
[config.presence_timeout_seconds]
type = "integer"
default = 300
minimum = 0
maximum = 31536000
doc = "A waiting user of whom nothing is heard for so long loses the place; 0: never."
[config.disconnect_grace_seconds]
type = "integer"
default = 30
minimum = 0
maximum = 31536000
doc = "How long the place is kept, but passed over, after the last stream closed; 0: for a moment."
[config.missing_token_status]
type = "integer"
default = 404
doc = "HTTP status when there is nothing to invalidate: 404, or 200 as the original answered."
[config.renew_on]
type = "string"
default = "gated"
one_of = ["gated", "any"]
doc = "Which calls renew an admission: gated ones, or any with a token."
[config.coexist]
type = "boolean"
default = false
doc = "A gateway of the original runs on the same Redis: no leases, no longest stay."
[config.gated]
type = "boolean"
default = true
doc = "false: no call needs admission."
[config.gate]
type = "tables"
doc = "Calls that need admission. None given: POST /api/v1/reservations and POST /api/v1/reservation-seats/**."
default = []
[config.gate.keys.method]
type = "string"
default = ""
doc = "Empty: any."
[config.gate.keys.path]
type = "string"
doc = "A path pattern."
[config.lineup_path]
type = "string"
default = "/api/v1/queue/lineup"
doc = "POST: lines up."
[config.status_path]
type = "string"
default = "/api/v1/queue/status"
doc = "GET: where the user stands."
[config.stream_path]
type = "string"
default = "/api/v1/queue/stream"
doc = "GET: the same as server-sent events."
[config.admission_path]
type = "string"
default = "/api/v1/queue/allowed-in-token"
doc = "DELETE: ends the user's admission."
[config.waiting_path]
type = "string"
default = "/api/v1/queue/waiting-token"
doc = "DELETE: gives the user's place up."
[config.status_interval]
type = "duration"
default = "10s"
minimum = 1000
maximum = 3600000
doc = "Time between two STATUS_UPDATE of a stream."
[config.skip_unchanged]
type = "boolean"
default = false
doc = "Leaves a STATUS_UPDATE out whose position the stream was told last."
[config.heartbeat_interval]
type = "duration"
default = "30s"
minimum = 1000
maximum = 3600000
doc = "Time between two HEARTBEAT of a stream; in effect a multiple of status_interval."
[config.client_retry]
type = "duration"
default = "3s"
minimum = 100
maximum = 600000
doc = "After what time, about, a client should open its stream again (retry:)."
[config.notice]
type = "string"
default = ""
doc = "The operator's message to everybody who waits: event NOTICE, once per stream and text."
[config.max_streams]
type = "integer"
default = 50000
minimum = 1
maximum = 10000000
doc = "Open streams of one worker."
[config.max_streams_per_user]
type = "integer"
default = 8
minimum = 1
maximum = 1000
doc = "Open streams of one user on one worker."
[config.max_users]
type = "integer"
default = 1000000
minimum = 1
maximum = 100000000
doc = "Waiting and admitted together, memory store only."
[config.store_down]
type = "string"
default = "refuse"
one_of = ["refuse", "admit"]
doc = "Gated calls while the store is away: refuse all, or let those through who were admitted just before."
[config.store_down_admit_for]
type = "duration"
default = "60s"
minimum = 1
maximum = 3600000
doc = "How long after they were last seen admitted by this worker."
[config.connect_timeout]
type = "duration"
default = "2s"
minimum = 10
maximum = 60000
doc = "For a connection to Redis, greeting included."
[config.command_timeout]
type = "duration"
default = "1s"
minimum = 10
maximum = 60000
doc = "A reply that takes longer closes the connection."
[config.reconnect_min]
type = "duration"
default = "50ms"
minimum = 1
maximum = 60000
doc = "First wait before connecting again; doubles, with jitter."
[config.reconnect_max]
type = "duration"
default = "2s"
minimum = 1
maximum = 600000
doc = "Longest wait before connecting again."
[config.max_pending]
type = "integer"
default = 10000
minimum = 1
maximum = 1000000
doc = "Operations of one worker that wait for the store; above it calls get 503."
)toml");
