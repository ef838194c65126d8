/* SPDX-License-Identifier: Apache-2.0
 * Life cycle of a plugin's instances. Part of gateway/plugin.h.
 *
 *   create [main] -> create_part [each worker] -> start [home] ... started
 *     -> serves ->
 *   stop [home] ... stopped -> destroy_part [each worker] -> destroy [main]
 *
 * `gateway check` and a plugin's commands use create and destroy alone. Between start and stop the
 * instance may already, or still, see traffic of a generation. */
#ifndef GATEWAY_ABI_INSTANCE_H
#define GATEWAY_ABI_INSTANCE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_INSTANCE_ID "gw.instance/1"

/* "gw.instance/1", required of every plugin */
typedef struct gw_instance_api {
  uint32_t struct_size;
  /* [main] Reads and validates the configuration: no network, no thread, nothing written. GW_INVALID
   * after complaints (gw.config/1). `*instance` is the plugin's own pointer; on failure it is ignored. */
  gw_status (*create)(gw_context* context, const gw_config* config, void** instance);
  /* [main] */
  void (*destroy)(void* instance);
  /* [worker] The instance's part on one worker. `worker` lives until destroy_part has returned. */
  gw_status (*create_part)(void* instance, gw_worker* worker, void** part);
  /* [worker] After it no callback of this part is made. */
  void (*destroy_part)(void* part);
  /* [home] Connects, fetches, imports; ends with gw.context/1.started, for which a deadline is set.
   * A service that is away is no reason to fail: serve without it, say so in health, try again. May
   * be null. */
  void (*start)(void* instance, void* home_part);
  /* [home] Takes leave of the outside world (deregisters); ends with gw.context/1.stopped, for which
   * a deadline is set. May be null. */
  void (*stop)(void* instance, void* home_part);
} gw_instance_api;

#ifdef __cplusplus
}
#endif
#endif
