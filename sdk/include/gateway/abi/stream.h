/* SPDX-License-Identifier: Apache-2.0
 * An answer that stays open, such as server-sent events. Part of gateway/plugin.h.
 *
 * `begin` answers the exchange and detaches it: response filters before the caller see the head, every
 * filter gets its `on_complete`, and only the stream is left. A stream belongs to its worker. */
#ifndef GATEWAY_ABI_STREAM_H
#define GATEWAY_ABI_STREAM_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_STREAM_ID "gw.stream/1"

/* Why a stream is over. Values are only ever added. */
enum {
  GW_STREAM_CLIENT_GONE = 1, /* the client closed or its connection broke */
  GW_STREAM_TOO_SLOW = 2,    /* the client did not read for the configured time */
  GW_STREAM_SERVER_STOP = 3  /* the gateway stops and the stream did not end by itself */
};

/* The owner's callbacks: one constant table for all its streams. */
typedef struct gw_stream_events {
  uint32_t struct_size;
  /* [worker] The stream is over, by no doing of its owner; the handle is dead. Not called after `end`. */
  void (*on_closed)(void* owner, int32_t reason);
  /* [worker] After a write gave GW_LIMIT: there is room again. May be null. */
  void (*on_writable)(void* owner);
  /* [worker] The gateway wants the stream to end soon (it stops, or its generation retires at the
   * deadline): say goodbye and call `end`. May be null. */
  void (*on_drain)(void* owner);
} gw_stream_events;

/* "gw.stream/1" */
typedef struct gw_stream_api {
  uint32_t struct_size;
  /* [worker] In a filter's callback, which then returns GW_REPLIED. Headers as in gw.exchange/1.reply;
   * `events` must outlive the stream. The stream is open at once: writes made before the callback
   * returns are sent behind the head. */
  gw_status (*begin)(gw_exchange* exchange, uint32_t status, const gw_header* headers,
                     uint32_t header_count, const gw_stream_events* events, void* owner,
                     gw_stream** out);
  /* [worker] Sends bytes, framing included. All or nothing: GW_LIMIT when what is unsent would pass
   * the configured cap. Copies what the socket did not take at once. GW_GONE: just broke; on_closed
   * follows. */
  gw_status (*write)(gw_stream* stream, gw_str data);
  /* [worker] Ends it after what was written; the handle is dead. */
  void (*end)(gw_stream* stream);
} gw_stream_api;

#ifdef __cplusplus
}
#endif
#endif
