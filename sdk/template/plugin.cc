// SPDX-License-Identifier: Apache-2.0
//
// The smallest useful plugin: adds one header to every answer, and counts the answers.
#include <gateway/plugin.hpp>

class Hello {
 public:
  Hello(gw::Context, gw::Config c) : name(c.string("name")), value(c.string("value")) {}

  struct Part {  // one a worker: no locks
    Part(Hello& owner, gw::Worker worker) : hello(owner) {
      gw_family family{};
      family.struct_size = sizeof family, family.type = GW_COUNTER;
      family.name = gw::str("hello_answers_total"), family.help = gw::str("Answers greeted.");
      answers = worker.cell(family);
    }
    gw::Verdict on_request_head(gw::Exchange, void*&) { return GW_CONTINUE; }
    gw::Verdict on_response_head(gw::Exchange exchange, void*&) {
      exchange.set_header(GW_RESPONSE, hello.name, hello.value);
      gw::tables.metrics->add(answers, 1);
      return GW_CONTINUE;
    }

    Hello& hello;
    gw_cell* answers;
  };

  const std::string name, value;
};

GW_PLUGIN(Hello, R"(id = "hello"
version = "1.0.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Adds a header to every answer"
requires = ["gw.config/1", "gw.exchange/1", "gw.metrics/1"]
provides = ["gw.instance/1", "gw.filter/1"]
config.name = { type = "string", default = "X-Hello", doc = "Name of the header." }
config.value = { type = "string", default = "world", doc = "Its value." })");
