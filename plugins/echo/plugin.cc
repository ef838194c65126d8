// SPDX-License-Identifier: Apache-2.0
//
// Glue of the echo filter: collects the body, answers when it is whole.
#include <gateway/plugin.hpp>
#include <memory>

#include "echo.h"

namespace gw::echo {

class Echo {
 public:
  Echo(Context, Config) {}

  struct Part {
    Part(Echo&, Worker) {}

    Verdict on_request_head(Exchange, void*&) { return GW_CONTINUE; }

    // Called at least once, with `last`, also when there is no body.
    Verdict on_request_body(Exchange x, void*& slot, std::string_view data, bool last,
                            std::uint64_t& consumed) {
      if (slot == nullptr && !data.empty()) slot = new Body;
      auto* body = static_cast<Body*>(slot);
      if (body != nullptr) body->append(data);
      consumed = data.size();
      return last ? answer(x, body != nullptr ? *body : Body()) : GW_CONTINUE;
    }

    void on_complete(Exchange, void*& slot, const gw_outcome&) {
      delete static_cast<Body*>(slot);
      slot = nullptr;
    }

   private:
    static Verdict answer(Exchange x, const Body& body) {
      gw_request head = x.request();
      Request request{
          view(head.method), view(head.path), view(head.query), view(head.authority), {}};
      while (auto header =
                 x.header_at(GW_REQUEST, static_cast<std::uint32_t>(request.headers.size())))
        request.headers.emplace_back(view(header->name), view(header->value));
      return x.reply(200, {{"Content-Type", "application/json"}}, describe(request, body));
    }
  };
};

}  // namespace gw::echo

GW_PLUGIN(gw::echo::Echo, R"(
id = "echo"
version = "0.1.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Answers with what a service would have received"
requires = ["gw.exchange/1"]
provides = ["gw.instance/1", "gw.filter/1"]
)");
