// SPDX-License-Identifier: Apache-2.0
extern "C" __attribute__((visibility("default"))) int gw_test_companion();
int gw_test_companion() {
  return 1;
}
