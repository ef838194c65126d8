#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What slow clients cost the others: thousands that send a head or a body byte by byte, and good traffic beside them.

Reports the latency of good traffic without and with them, and the gateway's memory per hostile connection and per byte
that they sent; first where the gateway answers by itself, then through the router to an nginx, which each of the bodies
would keep busy. Aims: p99 under twice as long, under 100 bytes held for a byte sent.

    bench/slow_clients.py [--clients 10000] [--requests 5000] [--build build/release]
    bench/slow_clients.py --memory [--clients 2000]

Then the memory for each way we know of making the gateway hold much for few bytes (tests/support/hostile.py); the second
form reports that alone. What costs more than 100 bytes a byte is bounded by a number: of connections, or of requests at
and before a service.
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
            if not got.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(got)
            taken.append(time.perf_counter() - began)
            select.select([], [], [], 0.0005)
    taken.sort()
    return taken[len(taken) // 2] * 1e6, taken[len(taken) * 99 // 100] * 1e6


def memory(clients):
    from hostile import WAYS, held_by
    print(f"{clients} connections each, and then silence: bytes that one sent, bytes held for it, and for each that it sent")
    for name, (config, data) in WAYS.items():
        held, sent = held_by(config, data, clients)
        print(f"  {name:32} {sent:6.0f} {held:6.0f} {f'{held / sent:8.1f}' if sent else ''}".rstrip(), flush=True)


def beside(where, folder, text, clients, requests):
    import harness
    from hostile import resident
    config = folder / "gateway.toml"
    config.write_text(text)
    gateway = harness.Gateway(config, cwd=folder)
    try:
        latencies(gateway.port, requests // 5)  # warm
        before = resident(gateway.child.pid)
        alone = latencies(gateway.port, requests)
        ours, theirs = multiprocessing.Pipe()
        attacker = multiprocessing.Process(target=attack, args=(gateway.port, clients, theirs))
        attacker.start()
        ours.recv()
        crowded = latencies(gateway.port, requests)
        held = resident(gateway.child.pid) - before
        ours.send("stop")
        sent = ours.recv()
        attacker.join()
    finally:
        gateway.kill()
    print(f"{where}:")
    print(f"  good traffic alone:       p50 {alone[0]:.0f} us, p99 {alone[1]:.0f} us")
    print(f"  beside {clients} slow clients: p50 {crowded[0]:.0f} us, p99 {crowded[1]:.0f} us ({crowded[1] / alone[1]:.2f} times)")
    print(f"  memory: {held / clients:.0f} bytes a connection, {held / sent:.1f} for each of {sent} bytes sent", flush=True)


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
    import peers
    from hostile import CONFIG, ROUTED
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = min(wanted.clients, hard // 2 - 300)  # the gateway keeps a descriptor for each request's service
    if wanted.memory:
        return memory(min(clients, 2000))
    port = harness.free_port()
    with harness.scratch() as folder:
        origin = peers.nginx(folder, "origin", f"""server {{ listen 127.0.0.1:{port};
            location /good {{ return 200 "{{}}"; }}
            location / {{ proxy_pass http://127.0.0.1:{port}/good; }} }}""")  # when it has read the body
        try:
            harness.wait_for("the origin", lambda: harness.listens(port))
            beside("answered by the gateway", folder, CONFIG, clients, wanted.requests)
            beside("through the router", folder, ROUTED.format(port=port), clients, wanted.requests)
        finally:
            origin.kill()
    memory(min(clients, 2000))


if __name__ == "__main__":
    main()
