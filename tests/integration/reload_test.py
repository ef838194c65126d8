# SPDX-License-Identifier: Apache-2.0
"""Reloads that nobody notices: 64 clients ask without a pause while the gateway changes between two builds of a
plugin, again and again, and while reloads are refused.

    GW_BUILD=build/release tests/integration/reload_test.py [--reloads N] [--measure]

--measure: descriptors, mappings and memory after the last reload are those after the tenth (release builds).
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402
import load  # noqa: E402

PLUGINS = harness.BUILD / "tests" / "plugins"
CLIENTS = 64
options = argparse.Namespace(reloads=60, measure=False, seconds=8)


def processes(name):
    """Ids of the running processes of that name."""
    found = []
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text() == name + "\n" and "\nState:\tZ" not in comm.with_name("status").read_text():
                found.append(int(comm.parent.name))
    return found


class Shop:
    """A gateway whose configuration and plugin file a test changes, under load."""

    def __init__(self, test, folder, extra="", start_timeout="30s"):
        self.test, self.config, self.file = test, folder / "gateway.toml", folder / "swap.so"
        self.marks = []  # of the generations that were asked for, oldest first
        self.asked_ns = []  # when that was, on the clock that plugins see, too
        self.done_ns = []  # when each was known to be active
        self.active = 0  # how many of them are known to have become active
        self.extra = f'start_timeout = "{start_timeout}"\n{extra}'
        self.newest = [0] * CLIENTS
        self.write("a", "1")
        self.marks.append("a:1")
        self.asked_ns.append(time.monotonic_ns())
        self.active = 1
        self.run = folder / "run"
        self.run.mkdir()
        self.gateway = harness.Gateway(self.config, {"XDG_RUNTIME_DIR": str(self.run)}, cwd=folder)
        test.addCleanup(self.gateway.kill)
        self.done_ns.append(time.monotonic_ns())

    def install(self, build, name=None):
        """Puts a build in place, by a new file under the old name."""
        half = self.file.with_suffix(".new")
        shutil.copyfile(PLUGINS / f"swap_{build}.so", half)
        os.replace(half, name or self.file)

    def write(self, build, tag, more="", server=""):
        self.install(build)
        instances = "".join(f"""
[[plugin]]
name = "{role}"
file = "./swap.so"
[plugin.config]
role = "{role}"
tag = "{tag}"
""" for role in ("front", "back"))
        half = self.config.with_suffix(".new")
        half.write_text(f"""
[server]
listen = ["127.0.0.1:0"]
workers = 2
{self.extra}{server}{instances}{more}
[[pipeline]]
filters = ["front", "back"]
""")
        os.replace(half, self.config)

    def reload(self, build, tag):
        self.write(build, tag)
        self.asked_ns.append(time.monotonic_ns())
        self.marks.append(f"{build}:{tag}")
        begun = time.monotonic()
        self.test.assertTrue(self.gateway.reload(), self.gateway.log()[-3000:])
        self.done_ns.append(time.monotonic_ns())
        self.active = len(self.marks)
        return time.monotonic() - begun

    def check(self, client, path, sent, head, body):
        """Is this one generation's answer, of one that was active when the request came?"""
        if head[":status"] != "200":
            return "not 200"
        seen = {*body.split(" "), head.get("x-front-then"), head.get("x-front-now")}
        if len(seen) != 1 or len(body.split(" ")) != 2:
            return f"several generations: {seen}"
        mark = seen.pop()
        if mark not in self.marks:
            return f"a generation that never was: {mark}"
        generation = self.marks.index(mark) + 1
        if generation < sent:
            return f"generation {generation} after {sent} was active"
        if generation < self.newest[client]:
            return f"generation {generation} after {self.newest[client]} had answered on this connection"
        self.newest[client] = generation
        arrived = int(head["x-arrived-ns"])
        if arrived < self.asked_ns[generation - 1]:
            return f"generation {generation} was not asked for yet when the head arrived"
        if generation < len(self.done_ns) and arrived > self.done_ns[generation]:
            return f"generation {generation} was over when the head arrived"
        return None

    def refused(self, expected, generation=1):
        """A reload that must not happen, for one reason, said once."""
        seen = len(self.gateway.lines)
        self.test.assertFalse(self.gateway.reload(), self.gateway.log()[-3000:])
        errors = [line for line in self.gateway.lines[seen:] if "error" in line]
        self.test.assertEqual(len(errors), 2, errors)
        self.test.assertRegex(errors[0], expected)
        self.test.assertRegex(errors[1], f"reload refused: .*; generation {generation} goes on")

    def wrk(self, seconds):
        """The same clients as fast as they can, each answer looked at by a script."""
        return subprocess.Popen(
            ["wrk", "-t", "2", "-c", str(CLIENTS), "-d", f"{seconds}s", "--timeout", "10s", "-s",
             str(pathlib.Path(__file__).resolve().parents[1] / "support" / "one_generation.lua"),
             f"http://127.0.0.1:{self.gateway.port}/"], stdout=subprocess.PIPE, text=True)

    def load(self):
        clients = load.Load(self.gateway.port, CLIENTS, ["/", "/", "/", "/slow"], lambda: self.active, self.check)
        self.test.addCleanup(clients.stop)
        harness.wait_for("the first answers", lambda: clients.answers > CLIENTS)
        return clients


def proc(gateway, name):
    return pathlib.Path(f"/proc/{gateway.child.pid}/{name}")


def libraries(gateway):
    """Private copies of plugins that are mapped."""
    return {line.split()[-1] for line in proc(gateway, "maps").read_text().splitlines()
            if "/gateway-" in line and re.search(r"-[0-9a-f]{32}\.so", line)}


def measure(gateway, expected_libraries):
    harness.wait_for("the old libraries' end", lambda: len(libraries(gateway)) == expected_libraries)
    pages = int(proc(gateway, "statm").read_text().split()[1])
    descriptors = []  # some files are open for a moment, again and again
    for _ in range(5):
        descriptors.append(len(list(proc(gateway, "fd").iterdir())))
        time.sleep(0.01)
    return {"descriptors": min(descriptors),
            "mappings": len([1 for line in proc(gateway, "maps").read_text().splitlines() if ".so" in line]),
            "memory": pages * os.sysconf("SC_PAGESIZE")}


class Reloads(unittest.TestCase):
    def assert_same(self, early, late):
        if not options.measure:
            return
        self.assertEqual(early["descriptors"], late["descriptors"])
        self.assertEqual(early["mappings"], late["mappings"])
        self.assertLessEqual(abs(late["memory"] - early["memory"]), 1 << 20)

    def test_nobody_notices(self):
        with harness.scratch() as folder:
            shop = Shop(self, folder)
            clients = shop.load()
            early, times = None, []
            for number in range(2, options.reloads + 2):
                times.append(shop.reload("ba"[number % 2], str(number)))
                if number == 11:
                    early = measure(shop.gateway, 1)
            late = measure(shop.gateway, 1)
            builds = shop.gateway.request("GET", "/").headers["X-Builds"]
            self.assertEqual(int(builds), options.reloads, "the state went from build to build")
            clients.stop()
            print(f"{clients.answers} answers during {options.reloads} reloads; a reload took "
                  f"{sum(times) / len(times) * 1000:.0f} ms, at most {max(times) * 1000:.0f} ms")
            print(f"after 10: {early}\nafter {options.reloads}: {late}")
            self.assertEqual(clients.failures[:5], [])
            self.assertGreater(clients.answers, 10 * options.reloads)
            self.assertNotIn("still mapped", shop.gateway.log())
            self.assert_same(early, late)
            private = pathlib.Path(next(iter(libraries(shop.gateway)))).parent
            self.assertEqual(len(list(private.iterdir())), 1, "copies of unloaded libraries are removed")
            shop.gateway.stop()
            self.assertFalse(private.exists())

    def test_under_full_load(self):
        """wrk keeps the gateway busy all the time; reloads are as many as come to pass meanwhile."""
        with harness.scratch() as folder:
            shop = Shop(self, folder)
            wrk = shop.wrk(options.seconds)
            self.addCleanup(wrk.kill)
            number = 1
            while wrk.poll() is None:
                number += 1
                shop.reload("ba"[number % 2], str(number))
            text, _ = wrk.communicate()
            self.assertEqual(wrk.returncode, 0)
            print(f"{number - 1} reloads under full load; {text}")
            self.assertNotIn("Socket errors", text)
            self.assertNotIn("Non-2xx", text)
            looked_at, mixed = map(int, re.search(r"answers (\d+), of several generations (\d+)", text).groups())
            self.assertEqual(mixed, 0)
            self.assertGreater(looked_at, 1000)
            self.assertGreater(number, 3)
            shop.gateway.stop()

    def one_error(self, shop, seen):
        errors = [line for line in shop.gateway.lines[seen:] if "error" in line]
        self.assertEqual(len(errors), 1, errors)
        return errors[0]

    def test_bad_reloads_change_nothing(self):
        def plugin(file="./bad.so", fail=""):
            return f"""
[[plugin]]
name = "bad"
file = "{file}"
[plugin.config]
fail = "{fail}"
"""
        with harness.scratch() as folder:
            shop = Shop(self, folder, start_timeout="2s")  # what hangs is waited for so long
            bad = folder / "bad.so"
            place = r"gateway.toml:\d+:\d+: "

            def died(phase, by):
                how = f"ended the process {phase}" if harness.sanitized() else f"crashed {phase}: {by}"
                return place + "plugin bad: ./bad.so " + how
            clients = shop.load()
            for build, more, expected in (
                    ("a", "what is this", place + ".*"),
                    ("a", "\n[[plugin]]\nname = 'bad'\nfile = 'x.so'\ncolour = 1\n", place + 'unknown key "colour"'),
                    ("a", plugin() + "colour = 1\n", place + 'unknown key "colour"'),
                    ("a", plugin("./gone.so"), place + "plugin bad: .*gone.so.*No such file"),
                    ("a", plugin("gone.so"), place + "plugin bad: there is no gone.so in the plugin_path"),
                    ("abi", plugin(), place + r"plugin bad: .*bad.so needs plugin ABI 1.99"),
                    ("crash", plugin(), died("while it was loaded", "SIGSEGV")),
                    ("hang", plugin(), place + r"plugin bad: ./bad.so did not return within 2000 ms while it was loaded"),
                    ("a", plugin(fail="crash"), died("in create", "SIGSEGV")),
                    ("a", plugin(fail="abort"), place + "plugin bad: ./bad.so crashed in create: SIGABRT"),
                    ("a", plugin(fail="hang"), place + r"plugin bad: ./bad.so did not return within 2000 ms in create"),
                    ("a", plugin(fail="daemon"), place + "plugin bad: ./bad.so crashed in create: SIGABRT"),
                    ("a", plugin(fail="daemon_hang"), place + r"plugin bad: ./bad.so did not return within 2000 ms in create"),
                    ("a", plugin(fail="chatty"), place + "plugin bad: ./bad.so crashed in create: SIGABRT"),
                    ("a", plugin(fail="exit"), place + r"plugin bad: ./bad.so ended the process in create"),
                    ("a", plugin(fail="create"), place + '"?fail"?.* is set to fail in create'),
                    ("writable", plugin(), place + r"plugin bad: .*bad.so can be written by others")):
                with self.subTest(expected):
                    shop.install("a" if build == "writable" else build, bad)
                    bad.chmod(0o666 if build == "writable" else 0o644)
                    shop.write("a", "1", more)
                    shop.refused(expected)
            harness.wait_for("the end of what the children left running", lambda: not processes("swap-daemon"))
            shop.install("a", bad)
            shop.write("a", "1", plugin(fail="slow"))
            seen = len(shop.gateway.lines)
            shop.gateway.signal(signal.SIGHUP)
            shop.gateway.wait_log("reloading", after=seen)
            shop.install("crash", bad)  # after the preflight has read it, as a rule
            shop.gateway.wait_log("reload refused", after=seen)
            self.assertRegex("\n".join(shop.gateway.lines[seen:]), "was changed while the new code was tried|while it was loaded")
            shop.install("b", bad)
            shop.write("a", "1", plugin(fail="start"))
            seen = len(shop.gateway.lines)
            self.assertFalse(shop.gateway.reload())
            self.assertRegex(self.one_error(shop, seen), "reload refused: instance bad failed to start: is set to fail in "
                             "start; generation 1 goes on$")
            shop.write("b", "1")
            for role in ("front", "back"):
                shop.config.write_text(shop.config.read_text().replace(f'role = "{role}"', f'role = "{role}"\nfail = "import"'))
            seen = len(shop.gateway.lines)
            self.assertFalse(shop.gateway.reload())
            self.assertRegex(self.one_error(shop, seen),
                             "reload refused: instance front: hand-over of its state failed: the new instance did not "
                             "take it with status -2; generation 1 goes on$")
            harness.wait_for("the bad library's end", lambda: len(libraries(shop.gateway)) == 1)
            shop.reload("b", "2")
            clients.stop()
            self.assertEqual(clients.failures[:5], [])
            self.assertNotRegex(shop.gateway.log(), r"held for \d+ ms by instance")
            held = [int(ms) for ms in re.findall(r"has been held for (\d+) ms|goes on after (\d+) ms", shop.gateway.log())
                    for ms in ms if ms]
            self.assertEqual([ms for ms in held if ms >= 1000], [], "a plugin that hangs for 2 s held a loop")
            self.assertEqual(len(list(shop.run.iterdir())), 1, "folders of children that died are removed")
            shop.gateway.stop()
            self.assertEqual(list(shop.run.iterdir()), [])

    def test_a_changed_library_of_a_plugin_needs_a_restart(self):
        with harness.scratch() as folder:
            for name in ("accompanied.so", "libgw_test_companion.so"):
                shutil.copyfile(PLUGINS / name, folder / name)
            shop = Shop(self, folder)
            good = shop.config.read_text()
            shop.config.write_text(good.replace("[[pipeline]]", '[[plugin]]\nname = "other"\nfile = "./accompanied.so"\n[[pipeline]]'))
            self.assertTrue(shop.gateway.reload(), shop.gateway.log())
            companion = folder / "libgw_test_companion.so"
            companion.write_bytes(companion.read_bytes() + b"changed")
            shop.refused(r"gateway.toml:\d+:\d+: plugin other: .*accompanied.so its library libgw_test_companion.so has changed "
                         "since it was first loaded: this needs a restart", generation=2)
            shop.config.write_text(good)  # without the plugin nobody needs it
            self.assertTrue(shop.gateway.reload(), shop.gateway.log())
            shop.gateway.stop()

    def test_the_report_says_what_holds_an_old_generation(self):
        with harness.scratch() as folder:
            config = folder / "gateway.toml"

            def write(tag):
                config.write_text(f'''[server]
listen = ["127.0.0.1:0"]
workers = 2
[[plugin]]
name = "metrics"
file = "metrics.so"
[[plugin]]
name = "swap"
file = "{PLUGINS}/swap_a.so"
config = {{ tag = "{tag}" }}
[[pipeline]]
filters = ["metrics", "swap"]
''')
            write("1")
            gateway = harness.Gateway(config, cwd=folder)
            self.addCleanup(gateway.kill)

            def report():
                return gateway.request("GET", "/actuator/plugins").json()

            def instances(generations):
                return [one for one in report()["instances"] if one["name"] == "swap" and one["generations"] == generations]
            client = socket.create_connection(("127.0.0.1", gateway.port), timeout=harness.DEADLINE_S)
            self.addCleanup(client.close)
            client.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
            harness.wait_for("the exchange in the report", lambda: instances([1])[0]["holds"]["exchanges"] == 1)
            write("2")
            self.assertTrue(gateway.reload(), gateway.log())
            old, = harness.wait_for("both generations in the report", lambda: instances([2]) and instances([1]))
            self.assertEqual({what: count for what, count in old["holds"].items() if count},
                             {"exchanges": 1, "wakers": 1, "timers": 1})
            harness.wait_for("the worker that is free of it", lambda: {
                one["number"]: (one["state"], one["workersLeft"]) for one in report()["generations"]} ==
                {1: ("retiring", 1), 2: ("active", 2)})
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # who only ends sending may still read
            client.close()
            harness.wait_for("the end of the old one", lambda: [one["number"] for one in report()["generations"]] == [2])
            harness.wait_for("its instance's end", lambda: len([
                one for one in report()["instances"] if one["name"] == "swap"]) == 1)
            gateway.stop()

    def test_watched_files(self):
        with harness.scratch() as folder:
            shop = Shop(self, folder, "watch_files = true\n")
            for build, tag in (("a", "2"), ("b", "2"), ("a", "2"), ("a", "3")):
                seen = len(shop.gateway.lines)
                shop.write(build, tag)
                shop.gateway.wait_log("reload done", after=seen)
                self.assertTrue(shop.gateway.request("GET", "/").body.startswith(f"{build}:{tag} ".encode()))
            seen = len(shop.gateway.lines)
            shop.write("a", "4", "nonsense")
            shop.gateway.wait_log("reload refused", after=seen)
            shop.gateway.stop()

    def test_settings_of_the_server(self):
        """Limits are taken over by a reload; what is fixed at start refuses it."""
        with harness.scratch() as folder:
            config = folder / "gateway.toml"

            def write(settings):
                config.write_text(f'[server]\nlisten = ["127.0.0.1:0"]\n{settings}\n'
                                  '[[plugin]]\nname = "echo"\nfile = "echo.so"\n[[pipeline]]\nfilters = ["echo"]\n')
            write("workers = 1")
            gateway = harness.Gateway(config, cwd=folder)
            self.addCleanup(gateway.kill)
            self.assertEqual(gateway.request("POST", "/", body=b"x" * 100).status, 200)
            write('workers = 1\nmax_body_bytes = 10\nconnect_timeout = "1s"\nmax_upstream_waiting_per_endpoint = 3')
            self.assertTrue(gateway.reload(), gateway.log())
            self.assertEqual(gateway.request("POST", "/", body=b"x" * 100).status, 413)
            self.assertEqual(gateway.request("POST", "/", body=b"x" * 10).status, 200)
            write("workers = 2")
            self.assertFalse(gateway.reload())
            self.assertIn("[server] workers has changed: needs a restart", gateway.log())
            gateway.stop()

    def test_shipped_plugins_leave_nothing_behind(self):
        """Every plugin of the embedded default, replaced as a whole again and again."""
        with harness.scratch() as folder:
            shutil.copytree(harness.BUILD / "plugins", folder / "plugins", symlinks=False)
            text = (harness.ROOT / "gateway.toml").read_text()
            plugins = [folder / "plugins" / name for name in re.findall(r'^file = "(.*)"', text, re.M)]
            (folder / "gateway.toml").write_text(text.replace("[server]", '[server]\nplugin_path = ["plugins"]', 1))
            gateway = harness.Gateway(folder / "gateway.toml", cwd=folder)
            self.addCleanup(gateway.kill)

            def check(_client, _path, _sent, head, _body):
                return None if head[":status"] in ("200", "401") else "neither 200 nor 401"
            clients = load.Load(gateway.port, CLIENTS, ["/actuator/health", "/api/v1/products", "/api/v1/x"],
                                lambda: None, check)
            self.addCleanup(clients.stop)
            early = None
            for number in range(1, options.reloads // 4 + 1):
                for file in plugins:  # bytes behind an ELF file mean nothing, and make it another file
                    half = file.with_suffix(".new")
                    half.write_bytes((harness.BUILD / "plugins" / file.name).read_bytes() + b"%d" % number)
                    os.replace(half, file)
                self.assertTrue(gateway.reload(), gateway.log()[-3000:])
                if number == 10:
                    early = measure(gateway, len(plugins))
            late = measure(gateway, len(plugins))
            clients.stop()
            print(f"{clients.answers} answers\nafter 10: {early}\nafter {options.reloads // 4}: {late}")
            self.assertEqual(clients.failures[:5], [])
            self.assertNotIn("still mapped", gateway.log())
            self.assertNotIn("left behind", gateway.log())
            if early:
                self.assert_same(early, late)
            gateway.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--reloads", type=int, default=options.reloads)
    parser.add_argument("--seconds", type=int, default=options.seconds, help="of full load")
    parser.add_argument("--measure", action="store_true")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
