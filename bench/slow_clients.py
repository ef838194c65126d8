#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What slow clients cost the others: thousands that send a head or a body byte by byte, and good traffic beside them.

Reports the latency of good traffic without and with them, and the gateway's memory per hostile connection and per byte
that they sent. Aims: p99 under twice as long, under 100 bytes held for a byte sent.

    bench/slow_clients.py [--clients 10000] [--requests 5000] [--build build/release]
    bench/slow_clients.py --memory [--clients 2000]

The second form reports the memory alone, for each way we know of making the gateway hold much for few bytes. What costs
more than 100 bytes a byte is bounded by a number: of connections, or of requests at and before a service.
"""

import argparse
import multiprocessing
import os
import pathlib
import resource
import select
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "support"))

HEAD = b"GET / HTTP/1.1\r\nHost: shop\r\nUser-Agent: slow\r\nX-Filler: "
BODY = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 100000\r\n\r\n"
CONFIG = """
[server]
listen = ["127.0.0.1:0"]
header_timeout = "5m"
body_idle_timeout = "5m"
[[plugin]]
name = "echo"
file = "echo.so"
[[pipeline]]
filters = ["echo"]
"""


PROXIED = """
[server]
header_timeout = "5m"
[[listener]]
name = "main"
address = "127.0.0.1:0"
proxy_protocol = true
[[plugin]]
name = "echo"
file = "echo.so"
[[pipeline]]
filters = ["echo"]
"""
ROUTED = """
[server]
listen = ["127.0.0.1:0"]
header_timeout = "5m"
body_idle_timeout = "5m"
connect_timeout = "5m"
[[plugin]]
name = "router"
file = "router_eureka.so"
[plugin.config]
eureka_urls = []
fetch = false
register = false
routes = [{{ id = "service", uri = "http://127.0.0.1:{port}", predicates = ["Path=/**"] }}]
[[pipeline]]
filters = ["router"]
"""
POST = b"POST / HTTP/1.1\r\nHost:a\r\n"
ATTACKS = {  # what each connection says, and then no more; ROUTED: the service takes connections, and no more either
    "nothing": (CONFIG, b""),
    "a byte": (CONFIG, b"G"),
    "a request line": (CONFIG, b"GET / HTTP/1.1\r\n"),
    "half a head": (CONFIG, b"GET / HTTP/1.1\r\nHost: shop\r\n"),
    "17 tiny fields": (CONFIG, b"GET / HTTP/1.1\r\nHost: shop\r\n" + b"a:\r\n" * 17),
    "90 tiny fields": (CONFIG, b"GET / HTTP/1.1\r\nHost: shop\r\n" + b"a:\r\n" * 90),
    "513 bytes of a head": (CONFIG, b"GET / HTTP/1.1\r\nHost: shop\r\nX: " + b"a" * 480),
    "a head, no body": (CONFIG, POST + b"Content-Length:9\r\n\r\n"),
    "90 tiny fields, no body": (CONFIG, POST + b"Content-Length:9\r\n" + b"a:\r\n" * 90 + b"\r\n"),
    "200 requests, no answer read": (CONFIG, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * 200),
    "a byte of a PROXY header": (PROXIED, b"P"),
    "half a PROXY header": (PROXIED, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 "),
    "half a binary PROXY header": (PROXIED, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\0" + b"x" * 3000),
    "a head, no body, to a service": (ROUTED, POST + b"Content-Length:9\r\n\r\n"),
    "a request to a stalled service": (ROUTED, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n"),
    "50 requests to it": (ROUTED, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * 50),
    "1,000 tiny chunks to it": (ROUTED, POST + b"Transfer-Encoding:chunked\r\n\r\n" + b"1\r\na\r\n" * 1000),
    "60 kB to it": (ROUTED, POST + b"Content-Length:9999999\r\n\r\n" + b"x" * 60000),
}


def attack(port, clients, pipe):
    """A process of its own: opens its clients, then drips bytes until told to stop; tells how many it sent."""
    sent, lines = 0, []
    for number in range(clients):
        line = socket.create_connection(("127.0.0.1", port))
        data = HEAD if number % 2 else BODY
        line.sendall(data)
        line.setblocking(False)
        sent += len(data)
        lines.append(line)
    pipe.send(sent)
    at = 0
    while not pipe.poll(0.001):
        for line in lines[at:at + 4]:  # 4000 bytes a second, each in a packet of its own
            try:
                sent += line.send(b"x")
            except OSError:
                pass
        at = (at + 4) % len(lines)
    pipe.send(sent)


def latencies(port, requests):
    taken = []
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            began = time.perf_counter()
            line.sendall(b"GET /good HTTP/1.1\r\nHost: shop\r\n\r\n")
            got = b""
            while b"}" not in got:
                got += line.recv(65536)
            taken.append(time.perf_counter() - began)
            select.select([], [], [], 0.0005)
    taken.sort()
    return taken[len(taken) // 2] * 1e6, taken[len(taken) * 99 // 100] * 1e6


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def held_by(config, data, clients):
    """(bytes held for a connection, bytes it sent) by that many clients, without those of an idle gateway."""
    import harness
    with harness.scratch() as folder, socket.create_server(("127.0.0.1", 0), backlog=4096) as service:
        path = folder / "gateway.toml"
        path.write_text(config.format(port=service.getsockname()[1]))
        gateway = harness.Gateway(path, cwd=folder)
        try:
            before, sent, lines = resident(gateway.child.pid), 0, []
            for _ in range(clients):
                line = socket.create_connection(("127.0.0.1", gateway.port))
                lines.append(line)
                line.setblocking(False)
                sent += line.send(data)
            last = -1
            while (now := resident(gateway.child.pid)) != last:  # until it has read all
                last = now
                time.sleep(0.5)
        finally:
            gateway.kill()
        for line in lines:
            line.close()
    return (last - before) / clients, sent / clients


def memory(clients):
    print(f"{clients} connections each: bytes held for one, and for each byte that it sent")
    for name, (config, data) in ATTACKS.items():
        bytes_held, sent = held_by(config, data, clients)
        print(f"  {name:32} {bytes_held:6.0f} {bytes_held / sent if sent else float('inf'):8.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10000)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--build", default=None)
    parser.add_argument("--memory", action="store_true")
    wanted = parser.parse_args()
    if wanted.build:
        os.environ["GW_BUILD"] = str(pathlib.Path(wanted.build).resolve())
    import harness
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = min(wanted.clients, hard // 2 - 300)  # the gateway keeps a descriptor for each request's service
    if wanted.memory:
        return memory(min(clients, 2000))
    with harness.scratch() as folder:
        config = folder / "gateway.toml"
        config.write_text(CONFIG)
        gateway = harness.Gateway(config, cwd=folder)
        try:
            latencies(gateway.port, wanted.requests // 5)  # warm
            before = resident(gateway.child.pid)
            alone = latencies(gateway.port, wanted.requests)
            ours, theirs = multiprocessing.Pipe()
            attacker = multiprocessing.Process(target=attack, args=(gateway.port, clients, theirs))
            attacker.start()
            ours.recv()
            beside = latencies(gateway.port, wanted.requests)
            held = resident(gateway.child.pid) - before
            ours.send("stop")
            sent = ours.recv()
            attacker.join()
        finally:
            gateway.kill()
    print(f"good traffic alone:            p50 {alone[0]:.0f} us, p99 {alone[1]:.0f} us")
    print(f"beside {clients} slow clients: p50 {beside[0]:.0f} us, p99 {beside[1]:.0f} us ({beside[1] / alone[1]:.2f} times)")
    print(f"memory: {held / clients:.0f} bytes a connection, {held / sent:.1f} for each of {sent} bytes sent")


if __name__ == "__main__":
    main()
