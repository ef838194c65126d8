/* SPDX-License-Identifier: Apache-2.0
 * Hand-over: what an instance has open goes to the one that takes its place. Part of gateway/plugin.h.
 *
 * When a reload makes an instance anew (another build, another configuration), and the old and the new one are
 * of one plugin id and name and both provide "gw.handover/1":
 *
 *   start [home] of the new one ... started
 *     -> export_state of the old, import_state of the new, state_moved of the old [home, in one turn;
 *        only between two builds: instances of one build share its variables]
 *     -> the new generation is active
 *     -> for each open stream, some each turn: export_stream of the old, adopt_stream of the new,
 *        stream_moved of the old [worker, without anything between]
 *
 * A stream whose hand-over is refused stays with the old instance, and is asked to end after the
 * drain timeout. A state that is refused refuses the reload: nothing has changed then.
 * Every function may be null: what it would hand over then stays where it is. */
#ifndef GATEWAY_ABI_HANDOVER_H
#define GATEWAY_ABI_HANDOVER_H

#include "base.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_HANDOVER_ID "gw.handover/1"
#define GW_SUCCESSOR_ID "gw.successor/1"

/* Takes bytes while the call lasts that it was given to. */
typedef struct gw_sink {
  uint32_t struct_size;
  uint32_t reserved;
  void* user;
  /* Appends a copy. GW_LIMIT: more than the other side takes (of the host's: 4 KiB for a stream,
   * 256 MiB for a state, 1 MiB for a question or an answer); what was written is then of no use. */
  gw_status (*write)(void* user, gw_str data);
} gw_sink;

/* "gw.handover/1", of the plugin */
typedef struct gw_handover_api {
  uint32_t struct_size;
  uint32_t format; /* of the blobs that this build writes; a build refuses those it cannot read */
  /* [worker] Writes down an open stream of this part's. The stream stays as it is until stream_moved.
   * Anything but GW_OK: it is not handed over. */
  gw_status (*export_stream)(void* part, void* owner, const gw_sink* out);
  /* [worker] Takes a stream over: `*events` and `*owner` as in gw.stream/1.begin. GW_OK: it is this part's
   * from when the call has returned. Do not end the stream inside. */
  gw_status (*adopt_stream)(void* part, gw_stream* stream, uint32_t format, gw_str blob,
                            const gw_stream_events** events, void** owner);
  /* [worker] It was adopted: forget it, without ending it. */
  void (*stream_moved)(void* part, void* owner);
  /* [home] Writes down what the instance alone knows. It goes on as before until state_moved. GW_NOT_FOUND:
   * nothing; anything else but GW_OK refuses the reload. */
  gw_status (*export_state)(void* instance, void* home_part, const gw_sink* out);
  /* [home] GW_NOT_FOUND: of no use here, it stays where it is; anything else but GW_OK refuses the reload. */
  gw_status (*import_state)(void* instance, void* home_part, uint32_t format, gw_str blob);
  /* [home] The state is the successor's now: forget it, and ask by gw.successor/1. */
  void (*state_moved)(void* instance, void* home_part);
  /* [home] An instance whose state came here asks, in words that are the plugin's own. */
  gw_status (*answer)(void* instance, void* home_part, uint32_t format, gw_str question,
                      const gw_sink* out);
} gw_handover_api;

/* "gw.successor/1", of the host */
typedef struct gw_successor_api {
  uint32_t struct_size;
  /* [home] After state_moved: asks the instance that has the state now, whose `answer` runs inside this call and
   * writes to `out`. GW_GONE: there is no such instance any more. */
  gw_status (*ask)(gw_context* context, uint32_t format, gw_str question, const gw_sink* out);
} gw_successor_api;

#ifdef __cplusplus
}
#endif
#endif
