#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A plugin author's way, from the two Debian packages alone to filters in a running gateway.

The packages are unpacked into a folder of their own. In an empty folder what gateway-dev's README says is done word
for word, until the template's filter answers; then the C example is built with pkg-config, the Rust example with
rustc, gateway-plugin-check tries all three, and the packaged gateway loads them.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import examples  # noqa: E402
import harness  # noqa: E402


def run(*command, cwd=None, env=None):
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, text=True, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class AuthorTest(unittest.TestCase):
    def test_from_the_packages_to_a_running_filter(self):
        with harness.scratch() as folder:
            root = folder / "root"
            run("cpack", "-B", folder / "packages", cwd=harness.BUILD)
            for name in ("gateway", "gateway-dev"):
                package, = (folder / "packages").glob(f"{name}_*.deb")
                run("dpkg-deb", "-x", package, root)
                self.assertTrue((root / "usr/share/doc" / name / "copyright").is_file())
            author = folder / "author"
            plugins = [self.template(root, author), self.c_example(root, author), self.rust_example(root, author)]
            config = folder / "config.toml"
            for plugin, text in zip(plugins, ("", 'prefix = "/closed"', 'word = "crawler"')):
                config.write_text(text)
                run(root / "usr/bin/gateway-plugin-check", plugin, "--config", config)
            examples.drive(self, root / "usr/bin/gateway", author, plugins)

    def template(self, root, author):
        self.assertLess(len((root / "usr/share/gateway/template/plugin.cc").read_text().splitlines()), 40,
                        "a useful filter is short")
        readme = (root / "usr/share/doc/gateway-dev/README.md").read_text()
        for path in re.findall(r"`(/usr/[^`]*)`", readme):
            self.assertTrue((root / path[1:]).exists(), path)
        steps, = re.findall(r"```sh\n(cp .*?)```", readme, re.S)
        author.mkdir()
        said = run("sh", "-euxc", steps.replace("/usr/", f"{root}/usr/"), cwd=author, env={
            **os.environ, "PATH": f"{root}/usr/bin:{os.environ['PATH']}", "CMAKE_PREFIX_PATH": f"{root}/usr"})
        for words in ("100% tests passed", "loads: yes", "ok    reloads", "gateway.toml is good"):
            self.assertIn(words, said)
        config = author / "hello" / "gateway.toml"
        config.write_text(config.read_text().replace(":8080", ":0"))
        gateway = harness.Gateway(config, program=root / "usr/bin/gateway", cwd=config.parent)
        try:
            self.assertEqual(gateway.request("GET", "/").headers["X-Hello"], "world")
            config.write_text(config.read_text().replace('"world"', '"everybody"'))
            self.assertTrue(gateway.reload(), gateway.log())
            self.assertEqual(gateway.request("GET", "/").headers["X-Hello"], "everybody")
            gateway.stop()
        finally:
            gateway.kill()
        return author / "hello" / "build" / "hello.so"

    def c_example(self, root, author):
        env = {**os.environ, "PKG_CONFIG_LIBDIR": ":".join(str(p.parent) for p in root.rglob("gateway-sdk.pc"))}
        flags = [run("pkg-config", f"--define-variable=prefix={root}/usr", what, "gateway-sdk", env=env).split()
                 for what in ("--cflags", "--libs")]
        source = root / "usr/share/gateway/examples/c/maintenance.c"
        run("cc", "-D_GNU_SOURCE", "-std=c11", "-Wall", "-Wextra", "-Werror", *flags[0], source, *flags[1],
            "-o", author / "maintenance.so")
        return author / "maintenance.so"

    def rust_example(self, root, author):
        source = root / "usr/share/gateway/examples/rust/no_bots.rs"
        run("rustc", "--edition", "2021", "--crate-type", "cdylib", "-O", "-C", "panic=abort", source,
            "-o", author / "no_bots.so")
        return author / "no_bots.so"


if __name__ == "__main__":
    unittest.main(verbosity=2)
