/* SPDX-License-Identifier: Apache-2.0
 * Subcommands that a plugin brings to the program, such as `gateway token`. Part of gateway/plugin.h. */
#ifndef GATEWAY_ABI_COMMAND_H
#define GATEWAY_ABI_COMMAND_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_COMMAND_ID "gw.command/1"

typedef struct gw_command {
  const char* name;    /* "token" */
  const char* summary; /* one line for --help */
} gw_command;

typedef struct gw_terminal {
  uint32_t struct_size;
  uint32_t argument_count;
  const gw_str* arguments; /* those behind the command's name */
  void* host;
  /* [main] Writes to standard output (1) or standard error (2). */
  void (*write)(void* host, int32_t fd, gw_str data);
} gw_terminal;

/* "gw.command/1" */
typedef struct gw_command_api {
  uint32_t struct_size;
  uint32_t command_count;
  const gw_command* commands;
  /* [main] Runs one on an instance that was created from the configuration but never started. The
   * result is the program's exit status; 2 = wrong usage. */
  int32_t (*run)(void* instance, const char* name, const gw_terminal* terminal);
} gw_command_api;

#ifdef __cplusplus
}
#endif
#endif
