// SPDX-License-Identifier: Apache-2.0
//
// Glue: the plugin's manifest, its instance and its command.
#include <array>
#include <gateway/plugin.hpp>
#include <span>

#include "auth_part.h"
#include "development_issuer.h"
#include "settings.h"
#include "token_command.h"

namespace gw::auth {

class AuthJwt {
 public:
  AuthJwt(Context context, Config config) : AuthJwt(context, read_settings(context, config)) {}

  struct Part : AuthPart {
    Part(AuthJwt& auth, Worker worker) : AuthPart(auth.shared_, worker) {}
  };

  void start(Part& home) {
    const Settings& settings = shared_.settings;
    std::vector<std::shared_ptr<const Key>> fixed;
    if (settings.secret) fixed.push_back(settings.secret);
    if (settings.development_issuer) {
      DevelopmentIssuer::Opened opened = DevelopmentIssuer::open(settings.development_key);
      if (!opened.issuer) {
        shared_.context.started(GW_ERROR, "development issuer: " + opened.error);
        return;
      }
      fixed.push_back(opened.issuer->key());
      shared_.context.log(
          GW_WARN, "THE DEVELOPMENT ISSUER IS ON: whoever can read " + settings.development_key +
                       " can be any user. Never switch this on where others have access.");
    }
    home.keep_keys(std::move(fixed));
  }

  static std::span<const gw_command> commands() {
    static const std::array<gw_command, 1> all = {
        {{"token", "Prints a bearer token of the development issuer"}}};
    return all;
  }
  int run(std::string_view, Terminal terminal) {
    CommandOutput output =
        run_token_command(shared_.settings, terminal.arguments(), shared_.context.wall_ms());
    terminal.out(output.out);
    terminal.error(output.error);
    return output.status;
  }

 private:
  AuthJwt(Context context, Settings settings)
      : shared_{context, FetchGate(settings.key_cool_down_ms), std::move(settings),
                tables.attribute->intern("identity.subject"),
                tables.attribute->intern("identity.type")} {}

  Shared shared_;
};

}  // namespace gw::auth

GW_PLUGIN(gw::auth::AuthJwt, R"(
id = "auth_jwt"
version = "0.1.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Verifies bearer tokens and tells the services who asks"
requires = ["gw.context/1", "gw.config/1", "gw.attribute/1", "gw.exchange/1", "gw.worker/1",
            "gw.timer/1", "gw.post/1", "gw.call/1", "gw.log/1", "gw.clock/1", "gw.random/1",
            "gw.metrics/1", "gw.health/1"]
provides = ["gw.instance/1", "gw.filter/1", "gw.command/1"]

[attributes]
provides = ["identity.subject", "identity.type"]

[config.jwks_uri]
type = "string"
default = "${JWT_JWKS_URI:http://localhost:8090/.well-known/jwks.json}"
doc = "Where the issuer's keys (a JWK Set) are fetched."
[config.jwks_file]
type = "path"
default = ""
doc = "A file with the JWK Set, read instead of jwks_uri."
[config.refresh_interval]
type = "duration"
default = "5m"
minimum = 1000
maximum = 86400000
doc = "Time between two fetches of the keys."
[config.fetch_timeout]
type = "duration"
default = "5s"
minimum = 100
maximum = 60000
doc = "How long one fetch may take."
[config.key_cool_down]
type = "duration"
default = "5s"
minimum = 100
maximum = 3600000
doc = "Least time between fetches that tokens with unknown keys set off."
[config.key_wait]
type = "duration"
default = "8s"
minimum = 100
maximum = 60000
doc = "How long a request may wait for such a fetch; then it gets 503."
[config.max_waiting]
type = "integer"
default = 1024
minimum = 0
maximum = 65536
doc = "Requests of one worker that may wait for such a fetch; further ones are refused at once."

[config.algorithms]
type = "strings"
default = ["RS256"]
doc = "Signature algorithms that are accepted: RS, PS, ES and HS with 256, 384 or 512."
[config.secret_file]
type = "path"
default = ""
doc = "The secret of the HS algorithms: a file that only its owner can read."
[config.issuer]
type = "string"
default = "${JWT_ISSUER:}"
doc = "What the claim iss must be; empty: not checked."
[config.audiences]
type = "strings"
default = []
doc = "One of them must be in the claim aud; empty: not checked."
[config.clock_skew]
type = "duration"
default = "60s"
minimum = 0
maximum = 600000
doc = "How far clocks may differ when exp and nbf are judged."
[config.require_expiry]
type = "boolean"
default = false
doc = "Refuse tokens without the claim exp."

[config.subject_claim]
type = "string"
default = "sub"
doc = "The claim that names the user."
[config.type_claim]
type = "string"
default = "userType"
doc = "The claim that names the kind of user."
[config.user_id_header]
type = "string"
default = "X-User-Id"
doc = "The header that tells services the user."
[config.user_type_header]
type = "string"
default = "X-User-Type"
doc = "The header that tells services the kind of user."

[config.rules]
type = "tables"
default = []
doc = "Who may go where; the first rule that matches decides. They stand before the default rules."
[config.rules.keys.methods]
type = "strings"
default = []
doc = "HTTP methods; empty: all."
[config.rules.keys.paths]
type = "strings"
doc = "Path patterns such as /api/v1/products/*."
[config.rules.keys.access]
type = "string"
one_of = ["public", "token", "deny"]
doc = "Nobody needs a token, everybody does, or nobody gets in."
[config.rules.keys.claim]
type = "string"
default = ""
doc = "A claim that the token must have besides."
[config.rules.keys.value]
type = "string"
default = ""
doc = "The claim's value; of an array, one of its elements."
[config.default_rules]
type = "boolean"
default = true
doc = "Append the default public paths to the rules."

[config.cache_entries]
type = "integer"
default = 20000
minimum = 0
maximum = 10000000
doc = "Verified tokens that one worker keeps."
[config.cache_bytes]
type = "size"
default = "32MiB"
minimum = 0
maximum = 17179869184
doc = "Memory that they may take."

[config.development_issuer]
type = "boolean"
default = false
doc = "Accept tokens that `gateway token` makes. For a developer's machine only."
[config.development_key]
type = "path"
default = "run/development-issuer.pem"
doc = "The private key of the development issuer; made when missing."
[config.development_force]
type = "boolean"
default = false
doc = "Allow the development issuer with listeners that others can reach."
)");
