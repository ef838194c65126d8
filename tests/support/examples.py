# SPDX-License-Identifier: Apache-2.0
"""What the template and the examples of the SDK do, whoever built them and when."""

import subprocess

import harness


def drive(test, program, folder, plugins):
    """`plugins`: files of hello, maintenance and no_bots; `program`: the gateway that shall run them."""
    for plugin in plugins:
        shown = subprocess.run([program, "inspect", plugin], text=True, capture_output=True)
        test.assertIn("loads: yes", shown.stdout, shown.stderr)
    config = folder / "gateway.toml"
    config.write_text(f"""
[server]
listen = ["127.0.0.1:0"]
[[plugin]]
name = "echo"
file = "echo.so"
[[plugin]]
name = "hello"
file = "{plugins[0]}"
[[plugin]]
name = "maintenance"
file = "{plugins[1]}"
config = {{ prefix = "/closed" }}
[[plugin]]
name = "no_bots"
file = "{plugins[2]}"
config = {{ word = "crawler" }}
[[pipeline]]
match = {{ path = "/**" }}
filters = ["hello", "no_bots", "maintenance", "echo"]
""")
    checked = subprocess.run([program, "check", config], text=True, capture_output=True)
    test.assertEqual(checked.returncode, 0, checked.stderr)
    gateway = harness.Gateway(config, program=program)
    try:
        answer = gateway.request("GET", "/open")
        test.assertEqual((answer.status, answer.headers["X-Hello"]), (200, "world"))
        answer = gateway.request("GET", "/closed/for/now")
        test.assertEqual((answer.status, answer.headers["Retry-After"], answer.headers["X-Hello"]), (503, "60", "world"))
        answer = gateway.request("GET", "/open", {"User-Agent": "a crawler/1.0"})
        test.assertEqual(answer.status, 403)
        test.assertTrue(gateway.reload(), gateway.log())
        test.assertEqual(gateway.request("GET", "/open").status, 200)
        gateway.stop()
    finally:
        gateway.kill()
