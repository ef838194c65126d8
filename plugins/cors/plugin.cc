// SPDX-License-Identifier: Apache-2.0
//
// Glue of the cors filter.
#include <gateway/plugin.hpp>

#include "cors_part.h"
#include "settings.h"

namespace gw::cors {

class Cors {
 public:
  Cors(Context, Config config)
      : rules(read_rules(config)), scheme(tables.attribute->intern("client.scheme")) {}

  struct Part : CorsPart {
    Part(Cors& cors, Worker) : CorsPart(cors.rules, cors.scheme) {}
  };

  std::vector<Rule> rules;
  std::uint32_t scheme;
};

}  // namespace gw::cors

GW_PLUGIN(gw::cors::Cors, R"(
id = "cors"
version = "0.1.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Cross-origin resource sharing: what pages of other origins may do"
requires = ["gw.exchange/1", "gw.attribute/1", "gw.config/1"]
provides = ["gw.instance/1", "gw.filter/1"]
[attributes]
uses = ["client.scheme"]
[config.rules]
type = "tables"
doc = "The first whose path matches counts; without one a request passes untouched."
[config.rules.keys.path]
type = "string"
default = "/**"
doc = "Path pattern."
[config.rules.keys.allowed_origins]
type = "strings"
default = []
doc = "Origins such as https://shop.example, or *."
[config.rules.keys.allowed_origin_patterns]
type = "strings"
default = []
doc = "Origins with * for any characters, and :[8080,8081] or :[*] for ports."
[config.rules.keys.allowed_methods]
type = "strings"
default = ["GET", "HEAD"]
doc = "Methods, or *."
[config.rules.keys.allowed_headers]
type = "strings"
default = []
doc = "Headers that a page may send, or *."
[config.rules.keys.exposed_headers]
type = "strings"
default = []
doc = "Headers of answers that a page may read, besides the usual ones."
[config.rules.keys.allow_credentials]
type = "boolean"
default = false
doc = "May a page send cookies and the like?"
[config.rules.keys.max_age]
type = "duration"
default = 0
minimum = 0
maximum = 86400000
doc = "How long a browser may keep the answer to a preflight; 0: it is not told."
)");
