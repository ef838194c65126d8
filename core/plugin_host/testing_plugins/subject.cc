// SPDX-License-Identifier: Apache-2.0
//
// Believes whoever says who they are: identity.subject is what X-Subject says. For tests of plugins
// that stand behind authentication.
#include <gateway/plugin.hpp>

namespace {

class Subject {
 public:
  Subject(gw::Context, gw::Config) : id_(gw::tables.attribute->intern("identity.subject")) {}

  struct Part {
    Part(Subject& its_subject, gw::Worker) : subject(its_subject) {}
    gw::Verdict on_request_head(gw::Exchange exchange, void*&) {
      if (auto name = exchange.header(GW_REQUEST, "X-Subject"))
        exchange.set_attribute(subject.id_, *name);
      return GW_CONTINUE;
    }
    Subject& subject;
  };

 private:
  std::uint32_t id_;
};

}  // namespace

GW_PLUGIN(Subject, R"(
id = "subject"
version = "1.0.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "A plugin for tests"
requires = ["gw.exchange/1", "gw.attribute/1"]
provides = ["gw.instance/1", "gw.filter/1"]
[attributes]
provides = ["identity.subject"]
)");
