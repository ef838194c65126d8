/* SPDX-License-Identifier: Apache-2.0
 * One request and its answer. Part of gateway/plugin.h.
 *
 * A `gw_exchange*` is valid on its worker from `on_request_head` until the filter's `on_complete` has
 * returned. Views that these functions give live as long, unless the same thing is set anew. */
#ifndef GATEWAY_ABI_EXCHANGE_H
#define GATEWAY_ABI_EXCHANGE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_EXCHANGE_ID "gw.exchange/1"

/* Which message a header function means. */
enum { GW_REQUEST = 0, GW_RESPONSE = 1 };

typedef struct gw_request {
  uint32_t struct_size;
  uint32_t http_minor; /* HTTP/1.x */
  gw_str method;       /* "GET" */
  gw_str path;         /* canonical: starts with '/', escapes kept, nothing ambiguous in it */
  gw_str query;        /* without '?'; empty when none */
  gw_str authority;    /* Host, or the authority of an absolute-form target */
} gw_request;

/* What a waiting filter wants to happen when its deadline passes. */
enum {
  GW_FAIL_CLOSED = 0, /* the exchange fails with 503 SERVICE_UNAVAILABLE */
  GW_FAIL_OPEN = 1    /* as if `on_resume` had answered GW_CONTINUE */
};

/* Wakes one pause of one exchange. A value: copy it freely. */
typedef struct gw_waker {
  uint64_t slot;
  uint64_t generation;
} gw_waker;

/* "gw.exchange/1" */
typedef struct gw_exchange_api {
  uint32_t struct_size;

  /* [worker] Fills `out` as far as out->struct_size reaches. */
  void (*request)(gw_exchange* exchange, gw_request* out);
  /* [worker] Puts another target on the way to the upstream. The path is made canonical again:
   * GW_INVALID when it is ambiguous; the old target then stays. */
  gw_status (*set_target)(gw_exchange* exchange, gw_str path, gw_str query);

  /* [worker] Headers by position; GW_NOT_FOUND past the end. Response headers exist from
   * `on_response_head` on. Names keep the sender's case. */
  gw_status (*header_at)(gw_exchange* exchange, int32_t message, uint32_t i, gw_header* out);
  /* [worker] The nth (from 0) value of that name (any case), or GW_NOT_FOUND. */
  gw_status (*header_get)(gw_exchange* exchange, int32_t message, gw_str name, uint32_t nth,
                          gw_str* out);
  /* [worker] Removes all of that name (any case), then adds one / only adds one. Copies. GW_INVALID:
   * not a field name, a value with CR, LF, NUL or another control byte, or a name that the host
   * frames messages with (Content-Length, Transfer-Encoding, Connection, Host, ...). GW_LIMIT: too
   * many or too large. GW_WRONG_STATE: that message's head has left already. */
  gw_status (*header_set)(gw_exchange* exchange, int32_t message, gw_str name, gw_str value);
  gw_status (*header_add)(gw_exchange* exchange, int32_t message, gw_str name, gw_str value);
  /* [worker] Removes all of that name (any case). GW_NOT_FOUND when there was none. */
  gw_status (*header_remove)(gw_exchange* exchange, int32_t message, gw_str name);

  /* [worker] Status of the answer; 0 before there is one. */
  uint32_t (*status)(gw_exchange* exchange);
  /* [worker] In `on_response_head`: another final status (200 .. 599). */
  gw_status (*set_status)(gw_exchange* exchange, uint32_t status);

  /* [worker] Zeroed memory that lives as long as the exchange; aligned for any type. Null above
   * 64 KiB or at the exchange's limit. */
  void* (*alloc)(gw_exchange* exchange, uint64_t size);

  /* [worker] Must be called before a callback returns GW_PAUSE; gives the waker for that pause.
   * `timeout_ms` > 0. */
  gw_status (*pause)(gw_exchange* exchange, uint32_t timeout_ms, int32_t at_deadline,
                     gw_waker* out);
  /* [any] Lets the paused filter's `on_resume` be called on its worker, soon and never inside this
   * call. Harmless when the pause or the exchange is over, and when called twice. */
  void (*wake)(gw_waker waker);

  /* [worker] Answers the exchange; the callback (or on_resume) then returns GW_REPLIED. Content-Length is
   * set by the host. Copies. GW_WRONG_STATE: answered already, and the exchange then fails with 500;
   * GW_INVALID: headers as in header_set. */
  gw_status (*reply)(gw_exchange* exchange, uint32_t status, const gw_header* headers,
                     uint32_t header_count, gw_str body);
  /* [worker] Answers with the error envelope: `code` such as "NOT_IN_QUEUE" is also the key in the
   * message catalogue, `message` its text where the catalogue has none (empty: the catalogue's). */
  gw_status (*fail)(gw_exchange* exchange, uint32_t status, gw_str code, gw_str message,
                    const gw_header* headers, uint32_t header_count);
} gw_exchange_api;

#ifdef __cplusplus
}
#endif
#endif
