/* SPDX-License-Identifier: Apache-2.0
 * A filter: a place in a pipeline. Part of gateway/plugin.h.
 *
 * Requests pass the filters in the order of the pipeline, answers in reverse. `slot` is one pointer per
 * filter and exchange, null at first, for the filter's own use. */
#ifndef GATEWAY_ABI_FILTER_H
#define GATEWAY_ABI_FILTER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_FILTER_ID "gw.filter/1"

/* What a filter answers; anything else fails the exchange with 500. */
typedef int32_t gw_verdict;
enum {
  GW_CONTINUE = 0, /* go on to the next filter */
  GW_PAUSE = 1,    /* wait for the waker (gw.exchange/1.pause was called) */
  GW_REPLIED = 2   /* answered (gw.exchange/1.reply or fail, gw.stream/1.begin was called) */
};

typedef struct gw_outcome {
  uint32_t struct_size;
  uint32_t status;      /* that was sent; 0 when none was */
  uint64_t duration_ns; /* from the head's arrival */
  uint64_t request_body_bytes;
  uint64_t response_body_bytes;
  int32_t aborted;      /* 1: the client left before the answer was whole */
  int32_t streaming;    /* 1: detached to a stream, which goes on */
  gw_str error_code;    /* of the error envelope, when the gateway answered with it; else empty */
  uint64_t upstream_ns; /* from the head's arrival to the first attempt at an endpoint; 0: none */
} gw_outcome;

/* "gw.filter/1". Every function but on_request_head may be null: that phase is then skipped. */
typedef struct gw_filter_api {
  uint32_t struct_size;
  /* [worker] The request's head. */
  gw_verdict (*on_request_head)(void* part, gw_exchange* exchange, void** slot);
  /* [worker] Body bytes: those not consumed before, then what came since. `*consumed` (0 at the call)
   * says how many go on, unchanged, to the next filter; the host reads no more while 64 KiB wait.
   * `last`: nothing follows. GW_PAUSE as in the head. */
  gw_verdict (*on_request_body)(void* part, gw_exchange* exchange, void** slot, gw_str data,
                                int32_t last, uint64_t* consumed);
  /* [worker] The pause ended because the waker was used. Answers for the callback that paused. */
  gw_verdict (*on_resume)(void* part, gw_exchange* exchange, void** slot);
  /* [worker] The answer's head, also of answers that a later filter or the host gave. GW_CONTINUE, or
   * GW_REPLIED to replace the answer. */
  gw_verdict (*on_response_head)(void* part, gw_exchange* exchange, void** slot);
  /* [worker] The answer's body on its way to the client, as on_request_body. Not called for streams
   * that a plugin opened, nor after a protocol upgrade. */
  gw_verdict (*on_response_body)(void* part, gw_exchange* exchange, void** slot, gw_str data,
                                 int32_t last, uint64_t* consumed);
  /* [worker] Exactly once for each exchange whose on_request_head was called. The exchange and its memory die afterwards;
   * no callback of this exchange follows. */
  void (*on_complete)(void* part, gw_exchange* exchange, void** slot, const gw_outcome* outcome);
} gw_filter_api;

#ifdef __cplusplus
}
#endif
#endif
