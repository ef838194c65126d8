#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ABI conformance suite (sdk/conformance) over a real gateway: every case of cases.json by HTTP, then a
stop with an open stream. Exit status 0: every case came out as written there.

    GW_BUILD=build/release tests/conformance/conformance_test.py
    tests/conformance/conformance_test.py --gateway BIN --plugins FOLDER --workers 2
"""

import argparse
import array
import fcntl
import http.client
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import harness  # noqa: E402

CASES = ROOT / "sdk" / "conformance" / "cases.json"
CONFIG = """
[server]
listen = ["127.0.0.1:{port}"]
workers = {workers}
plugin_path = ["{plugins}"]

[[plugin]]
name = "outer"
file = "conformance.so"
[plugin.config]
role = "outer"

[[plugin]]
name = "conformance"
file = "conformance.so"

[[plugin]]
name = "router"
file = "conformance_router.so"

[[pipeline]]
match = {{ path = "/conformance/own/**" }}
filters = ["outer", "conformance"]

[[pipeline]]
match = {{ path = "/**" }}
filters = ["outer", "conformance", "router"]
"""


def body_pieces(case):
    """The digits in turn, in so many pieces."""
    length, pieces = case["length_sent"], case.get("pieces", 1)
    body = "".join(str(i % 10) for i in range(length)).encode()
    cuts = [i * length // pieces for i in range(pieces + 1)]
    return [body[a:b] for a, b in zip(cuts, cuts[1:])]


def send(port, case):
    """The connection after the request, and the answer's head."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.DEADLINE_S)
    connection.putrequest(case.get("method", "GET"), case.get("target", "/conformance/" + case["name"]))
    for name, value in case.get("headers", []):
        connection.putheader(name, value)
    pieces = []
    if "length_sent" in case:
        pieces = body_pieces(case)
        connection.putheader("X-Length", str(case["length_sent"]))
        connection.putheader("Content-Length", str(case["length_sent"]))
    connection.endheaders()
    for piece in pieces:
        try:
            connection.send(piece)
        except ConnectionError:
            break  # answered early: the answer says whether that is right
        time.sleep(0.005)  # so that pieces mostly arrive as pieces; nothing depends on it
    if case.get("slow"):
        wait_until_full(connection.sock)
    return connection, connection.getresponse()


def wait_until_full(connection):
    """Reads nothing until nothing more arrives: the other side's buffers are full then."""
    seen, since = 0, time.monotonic()
    while seen == 0 or time.monotonic() - since < 0.5:
        waiting = array.array("i", [0])
        fcntl.ioctl(connection, termios.FIONREAD, waiting)
        if waiting[0] != seen:
            seen, since = waiting[0], time.monotonic()
        elif time.monotonic() - since > harness.DEADLINE_S:
            raise AssertionError("nothing arrived")
        time.sleep(0.02)


def differences(case, answer, body):
    found = []

    def same(what, got, wanted):
        if got != wanted:
            found.append(f"{what}: {got!r}, not {wanted!r}")

    same("status", answer.status, case.get("status", 200))
    if "code" in case:
        try:
            envelope = json.loads(body)
            error = envelope["error"]
        except (ValueError, KeyError):
            return found + [f"no envelope: {body[:500]!r}"]
        same("code", error.get("code"), case["code"])
        same("envelope's status", error.get("status"), case["status"])
        if "message" in case:
            same("message", error.get("message"), case["message"])
        if "trace_id" in case:
            same("traceId", envelope.get("traceId"), case["trace_id"])
    elif "ends" in case:
        same("end", body[-len(case["ends"]):].decode(errors="replace"), case["ends"])
    elif "length" in case:
        same("length", len(body), case["length"])
    else:
        same("body", body.decode(errors="replace")[:2000], case.get("body", "ok\n"))
    for name, value in case.get("answer_headers", {}).items():
        same(name, (answer.headers.get_all(name) or [None])[0], value)
    return found


def run_case(port, case):
    connection, answer = send(port, case)
    try:
        if case.get("leave"):
            return differences(case, answer, answer.read(len(case["body"])))
        return differences(case, answer, answer.read())
    finally:
        connection.close()


def run_commands(gateway, config):
    """A plugin's own subcommand: arguments, both outputs, exit status."""
    found = []
    for arguments, wanted in ((["one", "two"], (3, "one\ntwo\n", "")), ([], (2, "", "no arguments\n"))):
        done = subprocess.run([gateway, "--config", config, "conformance", *arguments], capture_output=True,
                              text=True, timeout=harness.DEADLINE_S, check=False)
        got = (done.returncode, done.stdout, done.stderr)
        if got != wanted:
            found.append(f"command {arguments}: {got!r}, not {wanted!r}")
    return found


def hand_over(gateway, config, port):
    """A reload makes the instance anew: it takes one stream over; another, which is not given, stays."""
    moves, moved = send(port, {"name": "stream-handover"})
    stays, stayed = send(port, {"name": "stream-stop"})
    found = []
    try:
        got = moved.read(5), stayed.read(5)
        config.write_text(config.read_text().replace('name = "conformance"\nfile = "conformance.so"',
                                                     'name = "conformance"\nfile = "conformance.so"\n'
                                                     '[plugin.config]\nwait = "40ms"'))
        gateway.signal(signal.SIGHUP)
        if gateway.wait_log("reload (done|refused)").group(1) != "done":
            return ["the reload was refused"]
        rest = moved.read()
        if got[0] + rest != b"open\nadopted\n":
            found.append(f"hand-over: {got[0] + rest!r}, not 'open' and 'adopted'")
        gateway.wait_log(r"instance conformance is held on worker . by \d streams")
    finally:
        stayed.close()
        stays.close()
        moves.close()
    gateway.wait_log("instance conformance has ended")
    return found


def stop_with_open_stream(gateway, port):
    """SIGTERM: the stream's owner is asked to end it, says goodbye, and the gateway ends with 0."""
    connection, answer = send(port, {"name": "stream-stop"})
    try:
        start = answer.read(5)
        gateway.child.terminate()
        rest = answer.read()
        status = gateway.child.wait(harness.DEADLINE_S)
    finally:
        connection.close()
    found = []
    if start + rest != b"open\ngoodbye\n":
        found.append(f"drain: {start + rest!r}, not 'open' and 'goodbye'")
    if status != 0:
        found.append(f"exit status {status}")
    return found


def run(gateway_file, plugins, workers, folder):
    port = harness.free_port()
    config = pathlib.Path(folder) / "gateway.toml"
    config.write_text(CONFIG.format(port=port, workers=workers, plugins=plugins))
    failures = run_commands(gateway_file, config)
    gateway = harness.Process([gateway_file, "--config", config], cwd=folder)
    try:
        gateway.wait_log(r"listening on http://[^ ]*:(\d+)")
        gateway.wait_log(r"generation 1 is active|serving")
        for case in json.loads(CASES.read_text()):
            if case.get("misuse") and harness.debug():
                continue  # it would end the process, as integration/misuse sees to
            try:
                found = run_case(port, case)
            except (OSError, http.client.HTTPException) as error:
                found = [f"{type(error).__name__}: {error}"]
            for line in found:
                failures.append(f"{json.dumps(case)}\n    {line}")
            if gateway.child.poll() is not None:
                failures.append(f"the gateway died with {gateway.child.returncode} in {json.dumps(case)}")
                break
        else:
            failures += hand_over(gateway, config, port)
            failures += stop_with_open_stream(gateway, port)
    finally:
        gateway.kill()
    if failures:
        print(gateway.log()[-8000:])
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--gateway", type=pathlib.Path, default=harness.GATEWAY)
    parser.add_argument("--plugins", type=pathlib.Path, default=harness.BUILD / "tests" / "plugins")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 3])
    arguments = parser.parse_args()
    failed = False
    for workers in arguments.workers:
        with tempfile.TemporaryDirectory() as folder:
            failures = run(arguments.gateway.resolve(), arguments.plugins.resolve(), workers, folder)
        print(f"{workers} workers: {len(failures) or 'no'} failures")
        for failure in failures:
            print("  " + failure)
        failed |= bool(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
