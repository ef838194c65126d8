// SPDX-License-Identifier: Apache-2.0
//
// The request's body, in a pipeline without a router. `X-Length` says how long it is; its bytes are
// the digits in turn.
#include <charconv>
#include <cstdint>

#include "probe.h"

namespace gw::conformance {

namespace {

class Body : public TakesBody {
 public:
  Body(Part& own, Exchange x) : TakesBody(own) {
    std::string_view text = x.header(GW_REQUEST, "X-Length").value_or("0");
    std::from_chars(text.data(), text.data() + text.size(), length_);
  }
  Verdict body(Exchange x, std::string_view data, bool last, std::uint64_t& consumed) override {
    CONFORMS(report, consumed == 0);
    CONFORMS(report, !over_);
    CONFORMS(report, data.size() <= 64 * 1024 * 2);
    for (std::size_t i = 0; i < data.size(); ++i)
      if (data[i] != static_cast<char>('0' + (at_ + i) % 10)) {
        report.expect(false, "bytes come in order, unconsumed ones again");
        break;
      }
    if (!last) CONFORMS(report, data.size() > left_);  // something new came
    return take(x, data, last, consumed);
  }

 protected:
  virtual Verdict take(Exchange x, std::string_view data, bool last, std::uint64_t& consumed) = 0;
  void took(std::string_view data, std::uint64_t count) {
    at_ += count;
    left_ = data.size() - static_cast<std::size_t>(count);
  }
  Verdict ended(Exchange x, std::uint64_t count) {
    over_ = true;
    at_ += count;
    CONFORMS(report, at_ == length_);
    return answer(x, report);
  }
  std::uint64_t length_ = 0, at_ = 0;
  std::size_t left_ = 0;
  bool over_ = false;
};

class WholeBody : public Body {
 public:
  using Body::Body;

 protected:
  Verdict take(Exchange x, std::string_view data, bool last, std::uint64_t& consumed) override {
    consumed = data.size();
    if (last) return ended(x, consumed);
    took(data, consumed);
    return GW_CONTINUE;
  }
};

// Always leaves some.
class BodyInHalves : public Body {
 public:
  using Body::Body;

 protected:
  Verdict take(Exchange x, std::string_view data, bool last, std::uint64_t& consumed) override {
    if (last) return ended(x, consumed = data.size());
    consumed = (data.size() + 1) / 2;
    took(data, consumed);
    return GW_CONTINUE;
  }
};

// Pauses at every call, having taken half; after the pause it sees the other half again.
class BodyWithPauses : public Body {
 public:
  using Body::Body;
  Verdict resume(Exchange) override { return GW_CONTINUE; }

 protected:
  Verdict take(Exchange x, std::string_view data, bool last, std::uint64_t& consumed) override {
    if (std::exchange(again_, !again_)) {
      if (last) return ended(x, consumed = data.size());
      took(data, consumed = data.size());
      return GW_CONTINUE;
    }
    consumed = data.size() / 2;
    took(data, consumed);
    left_ = 0;  // the rest comes again without anything new
    waker = x.pause(5000);
    timer_.start(part.worker, 10, [this] { finish(); });
    return GW_PAUSE;
  }

 private:
  bool again_ = false;
  Timer timer_;
};

// Answers before the body is whole.
class BodyCutShort : public Body {
 public:
  using Body::Body;

 protected:
  Verdict take(Exchange x, std::string_view, bool, std::uint64_t&) override {
    return x.reply(413, {}, "enough\n");
  }
};

// Says it consumed more than there was.
class BodyOverstated : public Body {
 public:
  using Body::Body;

 protected:
  Verdict take(Exchange, std::string_view data, bool, std::uint64_t& consumed) override {
    consumed = data.size() + 1;
    return GW_CONTINUE;
  }
};

template <class P>
std::unique_ptr<Probe> make(Part& part, Exchange x) {
  return std::make_unique<P>(part, x);
}

}  // namespace

void add_body_cases(Cases& cases) {
  cases.body.insert({{"own/body", make<WholeBody>},
                     {"own/body-halves", make<BodyInHalves>},
                     {"own/body-pauses", make<BodyWithPauses>},
                     {"own/body-short", make<BodyCutShort>},
                     {"own/bad-consumed", make<BodyOverstated>}});
}

}  // namespace gw::conformance
