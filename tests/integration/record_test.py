# SPDX-License-Identifier: Apache-2.0
"""What a running gateway records of a filter is done again over the fake host.

    GW_BUILD=build/release tests/integration/record_test.py
"""

import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

FILTERS = {  # name: file and configuration
    "hello": ("hello.so", 'value = "w\\u00f6rld"\n'),
    "cors": ("cors.so", '[[plugin.config.rules]]\npath = "/api/**"\nallowed_origins = ["https://shop.example"]\n'
                        'allowed_methods = ["GET"]\nallowed_headers = ["*"]\n'),
    "auth": ("auth_jwt.so", 'rules = [{ paths = ["/api/**"], access = "public" }]\n'),
    "body": ("{plugins}/spoilt.so", 'way = ""\n'),
}


class Record(unittest.TestCase):
    def start(self, folder, extra=""):
        text = f'[server]\nlisten = ["127.0.0.1:0"]\nworkers = 1\n{extra}'
        for name, (file, config) in FILTERS.items():
            text += (f'[[plugin]]\nname = "{name}"\nfile = "{file.format(plugins=harness.BUILD / "tests" / "plugins")}"\n'
                     f'record = "{folder}/{name}.jsonl"\nrecord_exchanges = 6\n[plugin.config]\n{config}')
        text += '[[plugin]]\nname = "echo"\nfile = "echo.so"\n'
        text += f'[[pipeline]]\nfilters = [{", ".join(repr(name) for name in FILTERS)}, "echo"]\n'
        (folder / "gateway.toml").write_text(text)
        gateway = harness.Gateway(folder / "gateway.toml", cwd=folder)
        self.addCleanup(gateway.kill)
        return gateway

    def replay(self, folder, name, config=None):
        file, own = FILTERS[name]
        file = file.format(plugins=harness.BUILD / "tests" / "plugins")
        (folder / "own.toml").write_text((config or own).replace("[[plugin.config.", "[["))
        done = subprocess.run([harness.BUILD / "bin" / "gateway-plugin-check", harness.BUILD / "plugins" / file, "--config",
                               folder / "own.toml", "--only", "replay", "--replay", folder / f"{name}.jsonl"],
                              capture_output=True, text=True, timeout=harness.DEADLINE_S)
        return done.returncode, done.stdout + done.stderr

    def test_what_was_recorded_comes_again(self):
        with harness.scratch() as folder:
            gateway = self.start(folder)
            statuses = [gateway.request(*request).status for request in (
                ("GET", "/api/a?b=%20c", {"Origin": "https://shop.example", "Accept": "a, b"}),
                ("OPTIONS", "/api/a", {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}),
                ("GET", "/api/a", {"Origin": "https://evil.example"}),
                ("GET", "/private", {"Authorization": "Bearer x.y.z", "X-Odd": "\u00e4\u00ff"}),
                ("POST", "/api/post", {}, b"\x00\xff" * 50_000),
                ("HEAD", "/private", {}))]
            self.assertEqual(statuses, [200, 200, 403, 401, 200, 401])
            gateway.request("GET", "/api/not-recorded")
            gateway.stop()
            for name in FILTERS:
                with self.subTest(name):
                    file = folder / f"{name}.jsonl"
                    self.assertEqual(file.stat().st_mode & 0o777, 0o600)
                    lines = [json.loads(line) for line in file.read_text().splitlines()]
                    self.assertEqual(len(lines), 6 if name in ("hello", "cors") else len(lines))
                    self.assertEqual({line["instance"] for line in lines}, {name})
                    status, text = self.replay(folder, name)
                    self.assertEqual(status, 0, text)
                    self.assertIn(f"{len(lines)} of them", text)
            # Another configuration does otherwise, and it is said what.
            status, text = self.replay(folder, "hello", 'value = "other"\n')
            self.assertEqual(status, 1)
            self.assertIn("X-Hello: other", text)
            status, text = self.replay(folder, "body", 'way = "twice"\n')
            self.assertEqual(status, 1)
            self.assertIn("a second answer", text)

    def test_a_reload_records_anew_and_keeps_the_instance(self):
        with harness.scratch() as folder:
            gateway = self.start(folder)
            gateway.request("GET", "/api/a")
            text = (folder / "gateway.toml").read_text()
            (folder / "gateway.toml").write_text(text.replace("hello.jsonl", "again.jsonl").replace("= 6", "= 1"))
            self.assertTrue(gateway.reload())
            for _ in range(3):
                gateway.request("GET", "/api/a")
            gateway.stop()
            self.assertNotIn("instance hello has ended\n", gateway.log().split("draining")[0])
            self.assertEqual(len((folder / "hello.jsonl").read_text().splitlines()), 1)
            self.assertEqual(len((folder / "again.jsonl").read_text().splitlines()), 1)

    def test_what_cannot_be_written_stops_nothing(self):
        with harness.scratch() as folder:
            (folder / "hello.jsonl").mkdir()
            gateway = self.start(folder)
            self.assertEqual([gateway.request("GET", "/api/a").status for _ in range(3)], [200] * 3)
            gateway.wait_log(r"recording to .*hello.jsonl ends: Is a directory")
            gateway.stop()

    def test_foreign_recordings_are_refused(self):
        with harness.scratch() as folder:
            for text in ("", "{}", "nonsense", '{"recording": 2}', '{"recording": 1, "calls": []}',
                         '{"recording": 1, "wall_ms": 1, "calls": [{"call": "on_request_head", "in": {}}]}'):
                (folder / "hello.jsonl").write_text(text + "\n")
                status, said = self.replay(folder, "hello")
                self.assertEqual(status, 1 if text else 0, said)
                if text:
                    self.assertRegex(said, "no recording|another edition")


if __name__ == "__main__":
    unittest.main(verbosity=2)
