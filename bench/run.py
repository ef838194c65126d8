#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the gateway beside nginx and HAProxy in interleaved runs and writes docs/benchmarks/.

A run of all (about 25 minutes) writes the whole page. With --record a run of some writes their sections of it and
leaves the others; each section says when, where and by which command it was measured.

  processor  CPU seconds of the proxy's own process per 100,000 relayed requests (wrk, one worker each,
             one nginx as origin with a 100-byte answer), beside a bare libuv relay, the floor
  counts     system calls and heap allocations per relayed request
  idle       bytes per idle keep-alive connection
  latency    added by the proxy at 2,000 requests a second, open loop
  waiting    a crowd that asks against a crowd that holds streams
  streams    15,000 open streams beside nginx with nchan: bytes per stream, CPU per event
  scripts    Redis' own time per line-up, status and rank (redis_cost.py)
  lineups    the gateway's own processor time per line-up for the Redis part (bench/lineups.cc)
  slow       good traffic beside 10,000 slow clients (slow_clients.py)
  handover   how late an admission comes while open streams move to a new build of the queue
  hub        how long 100,000 open streams hold the loop (bench/hub.cc: no sockets, memory store)
  admission  from DELETE allowed-in-token on one gateway to ALLOWED_IN on a stream of another (one Redis)

  python3 bench/run.py [what ...] [--record]      --rounds N  --seconds S
"""

import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

from peers import ROOT, harness
import admission
import handover
import relay
import streams
import waiting


def output(title, *command):
    """Of a program of its own, taken as it is."""
    def measure(_):
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        table = out.rstrip() if "|---" in out else f"```\n{out.rstrip()}\n```"
        return [f"## {title}", "", table]
    return measure


PAGE = ROOT / "docs" / "benchmarks" / "README.md"
PREAMBLE = """# Benchmarks

Written by `make bench`, or section by section with `--record`. Medians of interleaved runs; compare ratios, not machines."""


def machine():
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores, {processor.group(1) if processor else platform.machine()}"


def section(lines, command):
    return "\n".join([*lines, "", f"*{time.strftime('%Y-%m-%d')}, {machine()}: `{command}`*"])


def record(sections, alone):
    """Writes the page of these sections; not `alone`: and of those that stand there and were not measured now."""
    known = {}
    if PAGE.exists() and not alone:
        for part in PAGE.read_text().split("\n## ")[1:]:
            known[part.split("\n")[0]] = "## " + part.rstrip()
    known.update((text[3:].split("\n")[0], text) for text in sections)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("\n\n".join([PREAMBLE, *known.values()]) + "\n")


MEASURES = {"processor": relay.processor, "counts": relay.counts, "idle": relay.idle_memory,
            "latency": relay.latency, "admission": admission.admission, "handover": handover.handover, "waiting": waiting.waiting,
            "streams": streams.streams,
            "scripts": output("The queue's scripts", sys.executable, ROOT / "bench" / "redis_cost.py"), "slow": output("Slow clients", sys.executable, ROOT / "bench" / "slow_clients.py"),
            "lineups": output("The gateway's part of a line-up", harness.BUILD / "bench" / "bench_lineups"),
            "hub": output("Very many streams", harness.BUILD / "bench" / "bench_hub")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*MEASURES, []], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--streams", type=int, default=15000)
    parser.add_argument("--record", action="store_true", help="write what is measured into docs/benchmarks")
    parser.add_argument("--waiting-seconds", type=int, default=180)
    options = parser.parse_args()
    command = " ".join(["python3 bench/run.py", *(word for word in sys.argv[1:] if word != "--record")])
    sections = []
    for name, measure in MEASURES.items():
        if not options.what or name in options.what:
            sections.append(section(measure(options), command))
            print(sections[-1], end="\n\n", flush=True)
            if options.what and options.record:
                record(sections, False)
    if not options.what:
        record(sections, True)


if __name__ == "__main__":
    main()
