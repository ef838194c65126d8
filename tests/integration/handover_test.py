# SPDX-License-Identifier: Apache-2.0
"""A newer build of the queue takes the open streams over: nobody is dropped, told twice or forgotten.

    GW_BUILD=build/release tests/integration/handover_test.py [--streams N]
"""

import argparse
import json
import os
import pathlib
import re
import resource
import selectors
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402
import load  # noqa: E402

options = argparse.Namespace(streams=500)

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
workers = 2
drain_timeout = "{drain}"

[[plugin]]
name = "metrics"
file = "metrics.so"

[[plugin]]
name = "auth"
file = "{plugins}/subject.so"

[[plugin]]
name = "queue"
file = "./queue.so"
[plugin.config]
store = "{store}"
capacity = {capacity}
status_interval = "2s"
max_streams_per_user = 2
{more}

[[plugin]]
name = "echo"
file = "echo.so"

[[pipeline]]
filters = ["metrics", "auth", "queue", "echo"]
"""


class Streams:
    """Many event streams, read by one thread. Each knows what came: (event, data, id)."""

    def __init__(self, port):
        self.port, self.all, self.dropped = port, {}, []
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._stop = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def open(self, user):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=harness.DEADLINE_S)
        connection.sendall(f"GET /api/v1/queue/stream HTTP/1.1\r\nHost: x\r\nX-Subject: {user}\r\n\r\n"
                           .encode())
        connection.setblocking(False)
        stream = {"user": user, "events": [], "text": "", "ended": False}
        with self._lock:
            self.all[user] = stream
            self._selector.register(connection, selectors.EVENT_READ, stream)

    def _read(self):
        while not self._stop:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    self._take(key.fileobj, key.data)

    def _take(self, connection, stream):
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        stream["text"] += data.decode()
        *whole, stream["text"] = stream["text"].split("\n\n")
        for event in whole:
            fields = dict(re.findall(r"^(id|event|data): (.*?)\r?$", event, re.M))
            if "event" in fields:
                stream["events"].append((fields["event"], json.loads(fields["data"]), int(fields["id"])))
        if not data or stream["text"].endswith("0\r\n\r\n") or "\r\n0\r\n\r" in stream["text"]:
            stream["ended"] = True
            self._selector.unregister(connection)
            connection.close()

    def count(self, name, users=None):
        with self._lock:
            return sum(1 for stream in self.all.values() if users is None or stream["user"] in users
                       for event in stream["events"] if event[0] == name)

    def snapshot(self):
        with self._lock:
            return {user: list(stream["events"]) for user, stream in self.all.items()}

    def ended(self):
        with self._lock:
            return {user for user, stream in self.all.items() if stream["ended"]}

    def close(self):
        self._stop = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()


class HandOver(unittest.TestCase):
    def set_up(self, folder, store, drain="600s", more=""):
        self.queue_file, self.config = folder / "queue.so", folder / "gateway.toml"
        self.folder, self.store, self.capacity = folder, store, 10
        self.install("0.1.0")
        self.write(drain, more)
        gateway = harness.Gateway(self.config, cwd=folder)
        self.addCleanup(gateway.kill)
        return gateway

    def install(self, version):
        """The queue's build as it is, under another version."""
        binary = (harness.BUILD / "plugins" / "waiting_queue.so").read_bytes()
        line = b'id = "waiting_queue"\nversion = "'
        at = binary.index(line) + len(line)
        old = binary[at:binary.index(b'"', at)]
        self.assertEqual(len(old), len(version))
        half = self.folder / "queue.new"
        half.write_bytes(binary.replace(line + old, line + version.encode()))
        os.replace(half, self.queue_file)

    def write(self, drain="600s", more=""):
        half = self.folder / "gateway.new"
        half.write_text(CONFIG.format(store=self.store, capacity=self.capacity, drain=drain, more=more,
                                      plugins=harness.BUILD / "tests" / "plugins"))
        os.replace(half, self.config)

    def libraries(self, gateway):
        return {line.split()[-1] for line in pathlib.Path(f"/proc/{gateway.child.pid}/maps").read_text().splitlines()
                if re.search(r"/queue-[0-9a-f]{32}\.so", line)}

    def report(self, gateway):
        return gateway.request("GET", "/actuator/plugins").json()

    def replace_under_streams(self, folder, store):
        count = options.streams
        gateway = self.set_up(folder, store)
        users = [f"user-{i:05}" for i in range(count + self.capacity)]
        streams = Streams(gateway.port)
        self.addCleanup(streams.close)
        bearer = {user: {"X-Subject": user} for user in users}
        admitted, waiting = users[:self.capacity], users[self.capacity:]
        for user in admitted + waiting:
            self.assertEqual(gateway.request("POST", "/api/v1/queue/lineup", bearer[user]).status, 200)
        for user in waiting:
            streams.open(user)
        harness.wait_for("every first rank", lambda: streams.count("STATUS_UPDATE") >= count)
        self.assertEqual(streams.ended(), set())

        # Somebody is let in while the queue is replaced.
        before_libraries = self.libraries(gateway)
        leaving = threading.Thread(target=lambda: [
            gateway.request("DELETE", "/api/v1/queue/allowed-in-token", bearer[user]) for user in admitted])
        self.install("0.1.1")
        leaving.start()
        begun = time.monotonic()
        self.assertTrue(gateway.reload(), gateway.log()[-3000:])
        harness.wait_for("the old library's end", lambda: not self.libraries(gateway) & before_libraries, 5)
        self.assertEqual(len(self.libraries(gateway)), 1)
        self.assertNotIn("still mapped", gateway.log())
        gone = time.monotonic() - begun
        leaving.join()

        let_in = set(waiting[:self.capacity])
        harness.wait_for("ALLOWED_IN", lambda: streams.count("ALLOWED_IN", let_in) == len(let_in))
        seen = streams.snapshot()
        harness.wait_for("the ranks to go on", lambda: all(
            len(events) > len(seen[user]) for user, events in streams.snapshot().items() if user not in let_in))
        after = streams.snapshot()
        self.assertEqual(streams.ended() - let_in, set(), "streams were dropped")
        self.assertEqual(streams.count("ALLOWED_IN"), len(let_in), "ALLOWED_IN for others, or twice")
        for place, user in enumerate(waiting):
            self.assertEqual([event[2] for event in after[user]], list(range(1, len(after[user]) + 1)), user)
            if user not in let_in:
                rank = [event[1] for event in after[user] if event[0] == "STATUS_UPDATE"][-1]
                self.assertEqual(rank["userQueuePosition"], place + 1 - len(let_in), user)
        queue = [one for one in self.report(gateway)["instances"] if one["name"] == "queue"]
        self.assertEqual([one["version"] for one in queue], ["0.1.1"])
        self.assertEqual(queue[0]["holds"]["streams"], count - len(let_in))
        # Builds that follow one another at once.
        for version in ("0.1.2", "0.1.3", "0.1.4"):
            self.install(version)
            self.assertTrue(gateway.reload(), gateway.log()[-3000:])
        # The new build's own admissions reach the streams that it took over.
        for user in waiting[:3]:
            self.assertEqual(gateway.request("DELETE", "/api/v1/queue/allowed-in-token", bearer[user]).status, 200)
        harness.wait_for("three more", lambda: streams.count("ALLOWED_IN") == len(let_in) + 3)
        print(f"{store.split(':')[0]}: {count} streams; the old library was gone after {gone:.2f} s")
        for name in ("held for", "left behind", " error "):
            self.assertNotIn(name, gateway.log())
        streams.close()
        gateway.stop()

    def test_refused_streams_stay_until_the_drain(self):
        """Another queue cannot take them: their clients are served where they are, then asked to reconnect."""
        with harness.scratch() as folder:
            gateway = self.set_up(folder, "memory", drain="3s")
            streams = Streams(gateway.port)
            self.addCleanup(streams.close)
            for user in [f"admitted-{i}" for i in range(self.capacity)] + ["one", "two"]:
                self.assertEqual(gateway.request("POST", "/api/v1/queue/lineup", {"X-Subject": user}).status, 200)
            for user in ("one", "two"):
                streams.open(user)
            harness.wait_for("the first ranks", lambda: streams.count("STATUS_UPDATE") == 2)
            self.write(drain="3s", more='key_prefix = "other:"')
            self.assertTrue(gateway.reload())
            before = streams.count("STATUS_UPDATE")

            def held():
                return [one for one in self.report(gateway)["instances"]
                        if one["name"] == "queue" and one.get("ending") == "held"]
            found = harness.wait_for("the old instance in the report", held)
            self.assertEqual(found[0]["holds"]["streams"], 2)
            self.assertEqual(found[0]["generations"], [])
            self.assertEqual(streams.ended(), set())
            harness.wait_for("ranks of the old instance", lambda: streams.count("STATUS_UPDATE") > before)
            harness.wait_for("the drain", lambda: streams.ended() == {"one", "two"})
            harness.wait_for("the old instance's end", lambda: not held())
            self.assertIn('gateway_streams_handed_over_total{result="kept"} 2',
                          gateway.request("GET", "/actuator/prometheus").body.decode())
            gateway.stop()

    def ask_while_builds_change(self, folder, store):
        """Every call is answered, and everybody keeps the place, whichever build the call meets."""
        gateway = self.set_up(folder, store, drain="5s")
        users = [f"user-{i:05}" for i in range(self.capacity + 64)]
        for user in users:
            self.assertEqual(gateway.request("POST", "/api/v1/queue/lineup", {"X-Subject": user}).status, 200)

        def check(client, _path, _sent, head, body):
            place = json.loads(body).get("data", {}).get("userQueuePosition")
            return None if (head[":status"], place) == ("200", client + 1) else f"place {place}"
        clients = load.Load(gateway.port, 64, ["/api/v1/queue/status"], lambda: None, check,
                            lambda client: f"X-Subject: {users[self.capacity + client]}\r\n")
        self.addCleanup(clients.stop)
        for number in range(20):
            self.install(f"0.1.{number % 2}")
            self.assertTrue(gateway.reload(), gateway.log()[-3000:])
        clients.stop()
        print(f"{store.split(':')[0]}: {clients.answers} answers")
        self.assertEqual(clients.failures[:5], [])
        self.assertGreater(clients.answers, 2000)
        harness.wait_for("the old libraries' end", lambda: len(self.libraries(gateway)) == 1)
        gateway.stop()

    def test_calls_meanwhile_memory(self):
        with harness.scratch() as folder:
            self.ask_while_builds_change(folder, "memory")

    def test_calls_meanwhile_redis(self):
        with harness.scratch() as folder:
            redis = harness.Redis(folder)
            self.addCleanup(redis.kill)
            self.ask_while_builds_change(folder, f"redis://127.0.0.1:{redis.port}")

    def test_memory(self):
        with harness.scratch() as folder:
            self.replace_under_streams(folder, "memory")

    def test_redis(self):
        with harness.scratch() as folder:
            redis = harness.Redis(folder)
            self.addCleanup(redis.kill)
            self.replace_under_streams(folder, f"redis://127.0.0.1:{redis.port}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--streams", type=int, default=options.streams)
    options, others = parser.parse_known_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    unittest.main(argv=[sys.argv[0], *others], verbosity=2)
