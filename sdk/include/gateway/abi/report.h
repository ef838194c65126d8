/* SPDX-License-Identifier: Apache-2.0
 * What the host tells of itself, for people and their tools. Part of gateway/plugin.h. */
#ifndef GATEWAY_ABI_REPORT_H
#define GATEWAY_ABI_REPORT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_REPORT_ID "gw.report/1"

/* "gw.report/1": named JSON documents without secrets, about a second old at most. */
typedef struct gw_report_api {
  uint32_t struct_size;
  /* [any] Calls `take` with the document inside this call, or gives GW_NOT_FOUND. The gateway has "plugins":
   * generations and their instances, versions, and what holds them. */
  gw_status (*read)(gw_context* context, gw_str name, void (*take)(void* user, gw_str json),
                    void* user);
  /* [any] Visits the names of all documents. */
  void (*visit)(gw_context* context, void (*name)(void* user, gw_str name), void* user);
} gw_report_api;

#ifdef __cplusplus
}
#endif
#endif
