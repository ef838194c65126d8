// SPDX-License-Identifier: Apache-2.0
//
// "gw.resolve/1", "gw.call/1" and "gw.offload/1". Call-outs go to the gateway itself, at the
// request's authority.
#include <cstdint>
#include <exception>
#include <thread>

#include "probe.h"

namespace gw::conformance {

namespace {

class Resolves : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override {
    ask(numeric_, "127.0.0.1");
    ask(local_, "localhost");
    ask(wrong_, "not..a..name");
    ask(cancelled_, "127.0.0.1");
    cancelled_.ticket.reset();
    tables.resolve->cancel(nullptr);
    CONFORMS(report, left_ == 4);
  }

 private:
  struct Asked {
    Resolves* probe;
    Ticket ticket = {};
    gw_status status = GW_OK;
    std::vector<std::string> addresses = {};
  };
  void ask(Asked& asked, std::string_view name) {
    ++left_;
    asked.ticket = Ticket(tables.resolve->resolve(part.worker.raw(), str(name), done, &asked),
                          tables.resolve->cancel);
    CONFORMS(report, asked.ticket.get() != nullptr);
  }
  static void done(void* user, gw_status status, const gw_str* addresses, std::uint32_t count) {
    auto& asked = *static_cast<Asked*>(user);
    asked.ticket.release();
    asked.status = status;
    for (std::uint32_t i = 0; i < count; ++i) asked.addresses.emplace_back(view(addresses[i]));
    asked.probe->came();
  }
  void came() {
    if (--left_ != 1) return;  // the cancelled one never comes
    CONFORMS(report, numeric_.status == GW_OK);
    CONFORMS(report, numeric_.addresses == std::vector<std::string>{"127.0.0.1"});
    CONFORMS(report, local_.status == GW_OK);
    CONFORMS(report, !local_.addresses.empty());
    for (const auto& address : local_.addresses)
      CONFORMS(report, address == "127.0.0.1" || address == "::1");
    CONFORMS(report, wrong_.status < 0);
    CONFORMS(report, wrong_.addresses.empty());
    timer_.start(part.worker, 20, [this] {
      CONFORMS(report, left_ == 1);
      finish();
    });
  }
  Asked numeric_{this}, local_{this}, wrong_{this}, cancelled_{this};
  int left_ = 0;
  Timer timer_;
};

// Calls in parallel; each says what it expects.
class Calls : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange x) override {
    std::string base = "http://" + std::string(view(x.request().authority)) + "/conformance/";
    gw_call_request request{};
    request.struct_size = sizeof request;
    request.timeout_ms = 5000;
    request.method = str("GET");
    for (std::string_view bad : {"", "ftp://127.0.0.1/", "no url"}) {
      request.url = str(bad);
      report.expect(tables.call->call(part.worker.raw(), &request, done, nullptr) == nullptr,
                    "call refuses " + std::string(bad));
    }
    call(request, plain_, base + "plain");
    call(request, refused_, "http://127.0.0.1:1/");
    request.max_answer_bytes = 1000;
    call(request, too_large_, base + "large");
    request.max_answer_bytes = 0;
    request.method = str("POST");
    std::string body = "0123456789";  // copied by the call
    request.body = str(body);
    gw_header header{str("X-Length"), str("10")};
    request.headers = &header;
    request.header_count = 1;
    call(request, posted_, base + "own/body");
    call(request, cancelled_, base + "plain");
    cancelled_.ticket.reset();
    tables.call->cancel(nullptr);
    CONFORMS(report, left_ == 5);
  }

 private:
  struct Made {
    Calls* probe;
    Ticket ticket = {};
    gw_status status = 1;
    std::uint32_t http_status = 0;
    std::string body = {}, plain = {}, error = {};
  };
  void call(gw_call_request& request, Made& made, const std::string& url) {
    ++left_;
    request.url = str(url);
    made.ticket =
        Ticket(tables.call->call(part.worker.raw(), &request, done, &made), tables.call->cancel);
    CONFORMS(report, made.ticket.get() != nullptr);
  }
  static void done(void* user, const gw_call_answer* answer) {
    auto& made = *static_cast<Made*>(user);
    made.ticket.release();
    made.status = answer->status;
    made.http_status = answer->http_status;
    made.body = std::string(view(answer->body));
    made.error = std::string(view(answer->error));
    for (std::uint32_t i = 0; i < answer->header_count; ++i)
      if (view(answer->headers[i].name) == "X-Plain")
        made.plain = std::string(view(answer->headers[i].value));
    made.probe->came();
  }
  void came() {
    if (--left_ != 1) return;
    CONFORMS(report, plain_.status == GW_OK);
    CONFORMS(report, plain_.http_status == 200);
    CONFORMS(report, plain_.body == "plain\n");
    CONFORMS(report, plain_.plain == "yes");
    CONFORMS(report, refused_.status < 0);
    CONFORMS(report, !refused_.error.empty());
    CONFORMS(report, too_large_.status < 0);
    CONFORMS(report, posted_.status == GW_OK);
    CONFORMS(report, posted_.http_status == 200);
    CONFORMS(report, posted_.body == "ok\n");
    finish();
  }
  Made plain_{this}, refused_{this}, too_large_{this}, posted_{this}, cancelled_{this};
  int left_ = 0;
};

// Work elsewhere: one that ends, one that throws, one that is cancelled before it can end.
class Offloads : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override {
    tables.offload->cancel(nullptr);
    gw_ticket* cancelled = tables.offload->run(
        part.worker.raw(), [](void*) {},
        [](void* user) {
          static_cast<Offloads*>(user)->report.expect(false, "cancelled work stays silent");
        },
        nullptr, this);
    CONFORMS(report, cancelled != nullptr);
    tables.offload->cancel(cancelled);
    bool started = good_.start(
        part.worker, [this] { worked_on_ = std::this_thread::get_id(); },
        [this](std::exception_ptr failure) {
          CONFORMS(report, failure == nullptr);
          CONFORMS(report, worked_on_ != std::this_thread::get_id());
          CONFORMS(report, worked_on_ != std::thread::id());
          came();
        });
    CONFORMS(report, started);
    started = bad_.start(
        part.worker, [] { throw 1; },
        [this](std::exception_ptr failure) {
          CONFORMS(report, failure != nullptr);
          came();
        });
    CONFORMS(report, started);
    CONFORMS(report, left_ == 2);
  }

 private:
  void came() {
    if (--left_ == 0) finish();
  }
  Offload good_, bad_;
  std::thread::id worked_on_;
  int left_ = 2;
};

template <class P>
std::unique_ptr<Probe> make(Part& part, Exchange) {
  return std::make_unique<P>(part);
}

}  // namespace

void add_call_cases(Cases& cases) {
  cases.started.insert(
      {{"resolve", make<Resolves>}, {"call", make<Calls>}, {"offload", make<Offloads>}});
}

}  // namespace gw::conformance
