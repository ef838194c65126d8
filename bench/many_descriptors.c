/* SPDX-License-Identifier: Apache-2.0
 *
 * To be preloaded: says that 40,000 descriptors are allowed, whatever is. The gateway serves half as many
 * connections as it may have descriptors, because each may need one to a service; streams need none, so that in
 * a benchmark of streams alone a process that may have 20,000 holds 15,000 of them.
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("default"))) int getrlimit(__rlimit_resource_t resource, struct rlimit* limit) {
  if (resource == RLIMIT_NOFILE) {
    limit->rlim_cur = limit->rlim_max = 40000;
    return 0;
  }
  return (int)syscall(SYS_prlimit64, 0, resource, NULL, limit);
}
