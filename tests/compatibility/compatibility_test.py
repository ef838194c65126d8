#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plugins that were built at earlier releases: each folder here holds the binaries of one.

A folder's name is the ABI and the machine that its files are for. They are never built again: a
gateway that does not run them has broken its promise (sdk/include/gateway/plugin.h).
"""

import pathlib
import platform
import shutil
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import examples  # noqa: E402
import harness  # noqa: E402


class CompatibilityTest(unittest.TestCase):
    def test_plugins_of_every_release(self):
        for release in sorted(HERE.glob(f"abi-*-{platform.machine()}")):
            with self.subTest(release.name), harness.scratch() as folder:
                plugins = []
                for name in ("hello", "maintenance", "no_bots"):
                    plugins.append(folder / f"{name}.so")
                    shutil.copyfile(release / f"{name}.so", plugins[-1])
                    plugins[-1].chmod(0o644)  # a checkout may let the group write
                examples.drive(self, harness.GATEWAY, folder, plugins)


if __name__ == "__main__":
    unittest.main(verbosity=2)
