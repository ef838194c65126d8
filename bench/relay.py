# SPDX-License-Identifier: Apache-2.0
"""What relaying costs: processor time, system calls, allocations, memory, added latency."""

import pathlib
import re
import socket
import statistics
import struct
import subprocess

from peers import TOOLS, cpu_seconds, field, wrk

FULL = ("metrics", "auth")
NOOPS = tuple(f"noop{i}" for i in range(5))


def processor(options):
    table = {}
    with field() as it:
        it.add_peers()
        it.add_relay()
        it.add_gateway("gateway, router only")
        it.add_gateway("gateway, metrics + auth + router", FULL)
        it.add_gateway("gateway, the same + five no-op filters", FULL + NOOPS)
        for connections in (64, 256):
            for _ in range(options.rounds):
                for name, port, process in it.running:  # interleaved, so that drift meets all alike
                    before = cpu_seconds(process.child.pid)
                    requests = wrk(port, connections, options.seconds, headers=it.headers)
                    spent = cpu_seconds(process.child.pid) - before
                    table.setdefault((connections, name), []).append(
                        (spent * 1e5 / requests, requests / options.seconds))
    lines = ["## Relay", "", "CPU seconds of the proxy per 100,000 requests, median of "
             f"{options.rounds} rounds of {options.seconds} s; ratio to nginx in the same run.", "",
             "| connections | proxy | CPU-s/100k | x nginx | requests/s |", "|---|---|---|---|---|"]
    for (connections, name), rounds in table.items():
        cpu = statistics.median(r[0] for r in rounds)
        base = statistics.median(r[0] for r in table[connections, "nginx"])
        rate = statistics.median(r[1] for r in rounds)
        lines.append(f"| {connections} | {name} | {cpu:.2f} | {cpu / base:.2f} | {rate:,.0f} |")
    return lines


def counts(options):
    """Of the steady state, at 64 connections: nothing that only the first requests need is in them."""
    lines = ["## Work per request", "", "At 64 connections, in the steady state.", "",
             "| proxy | system calls | heap allocations |", "|---|---|---|"]
    with field() as it:
        counter = it.folder / "allocations"
        it.add_peers()
        it.add_gateway("gateway, metrics + auth + router", FULL,
                       {"LD_PRELOAD": str(TOOLS / "count_allocations.so"), "COUNT_ALLOCATIONS": str(counter)})
        for name, port, process in it.running:
            wrk(port, 64, options.seconds, headers=it.headers)
            allocations = "not counted"
            if name.startswith("gateway"):
                before = struct.unpack("Q", counter.read_bytes())[0]
                requests = wrk(port, 64, options.seconds, headers=it.headers)
                allocated = struct.unpack("Q", counter.read_bytes())[0] - before
                allocations = f"{allocated / requests:.4f}"
            lines.append(f"| {name} | {system_calls(it, port, process, options):.2f} | {allocations} |")
    return lines


def system_calls(it, port, process, options):
    pids = [str(process.child.pid)] + subprocess.run(
        ["pgrep", "-P", str(process.child.pid)], capture_output=True, text=True).stdout.split()
    out = it.folder / "strace"
    trace = subprocess.Popen(["strace", "-c", "-f", "-o", out] + [x for pid in pids for x in ("-p", pid)],
                             stderr=subprocess.PIPE, text=True)
    for line in trace.stderr:
        if "attached" in line:
            break
    requests = wrk(port, 64, options.seconds, headers=it.headers)
    trace.send_signal(2)
    trace.stderr.read()
    trace.wait()
    total = re.search(r"^100.00\s+\S+\s+\S+\s+(\d+).*total$", out.read_text(), re.M)
    return int(total.group(1)) / requests


def memory_of(pid):
    """Bytes that are this process's own (Linux: anonymous), with its children's."""
    total = 0
    for each in [pid] + [int(p) for p in subprocess.run(
            ["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]:
        rollup = pathlib.Path(f"/proc/{each}/smaps_rollup").read_text()
        total += int(re.search(r"^Anonymous:\s+(\d+) kB", rollup, re.M).group(1)) * 1024
    return total


def idle_memory(options):
    """Each connection has had one answer, so that what a request needs was there and given back."""
    first, more = 500, 5000
    lines = ["## Idle keep-alive connections", "", f"User-space bytes of each of {more:,} connections that "
             "had one answer and wait.", "", "| proxy | bytes |", "|---|---|"]
    with field() as it:
        it.add_peers()
        it.add_gateway("gateway, metrics + auth + router", FULL)
        request = f"GET /x HTTP/1.1\r\nHost: bench\r\n{it.headers[0]}\r\n\r\n".encode()
        for name, port, process in it.running:
            clients = []

            def visit(count):
                for _ in range(count):
                    client = socket.create_connection(("127.0.0.1", port))
                    client.sendall(request)
                    assert client.recv(4096).startswith(b"HTTP/1.1 200"), name
                    clients.append(client)
                return memory_of(process.child.pid)

            before = visit(first)
            lines.append(f"| {name} | {(visit(more) - before) / more:,.0f} |")
            for client in clients:
                client.close()
    return lines


def latency(options):
    rate, connections = 2000, 64
    table = {}
    with field() as it:
        it.running.append(("origin alone", it.origin, None))
        it.add_relay()
        it.add_peers()
        it.add_gateway("gateway, router only")
        for _ in range(options.rounds):
            for name, port, _ in it.running:
                out = subprocess.run([TOOLS / "bench_open_loop", str(port), str(rate), str(options.seconds),
                                      str(connections)], check=True, capture_output=True, text=True).stdout
                table.setdefault(name, []).append([int(x) for x in out.split()])
    median = {name: [statistics.median(r[i] for r in rounds) for i in (0, 1)] for name, rounds in table.items()}
    base = median.pop("origin alone")
    lines = ["## Added latency", "", f"Microseconds above the origin alone ({base[0]:.0f} and {base[1]:.0f}), at {rate:,} "
             f"requests a second, due at fixed times (open loop), on {connections} connections.", "",
             "| proxy | p50 | p99 |", "|---|---|---|"]
    return lines + [f"| {name} | {p50 - base[0]:+.0f} | {p99 - base[1]:+.0f} |" for name, (p50, p99) in median.items()]
