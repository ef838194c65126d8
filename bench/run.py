#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the gateway beside nginx and HAProxy in one interleaved run and writes docs/benchmarks/.

  relay      CPU seconds of the proxy's own process per 100,000 relayed requests (wrk, one worker each,
             one nginx as origin with a 100-byte answer)
  admission  from DELETE allowed-in-token on one gateway to ALLOWED_IN on a stream of another (one Redis)

  python3 bench/run.py [relay] [admission]      --rounds N  --seconds S
"""

import argparse
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import harness  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process and its children that still run."""
    total = 0
    for each in [pid] + [int(p) for p in subprocess.run(
            ["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]:
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def wrk(port, connections, seconds, path="/x", headers=()):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for header in headers:
        command += ["-H", header]
    out = subprocess.run(command + [f"http://127.0.0.1:{port}{path}"], check=True, capture_output=True,
                         text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(out)
    return int(re.search(r"(\d+) requests in", out).group(1))


NGINX_HEAD = """worker_processes 1; pid {folder}/{name}.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
"""


def nginx(folder, name, body):
    config = folder / f"{name}.conf"
    config.write_text(NGINX_HEAD.format(folder=folder, name=name) + body + "}\n")
    return harness.NginxProcess(folder, config)


def proxies(folder, origin, jwks_url):
    """(name, port, process, headers) of each competitor."""
    port = harness.free_port()
    yield "nginx", port, nginx(folder, "proxy", f"""
        upstream origin {{ server 127.0.0.1:{origin}; keepalive 512; keepalive_requests 1000000000; }}
        server {{ listen 127.0.0.1:{port};
          location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ''; }} }}""")
    port = harness.free_port()
    config = folder / "haproxy.cfg"
    config.write_text(f"""
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s 127.0.0.1:{origin} pool-max-conn 512
""")
    yield "HAProxy", port, harness.Process([shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", config])
    port = harness.free_port()
    yield "libuv relay that parses nothing", port, harness.Process([harness.BUILD / "bench" / "bench_relay", str(port), str(origin)])
    for name, plugins, filters in (
            ("gateway, router only", "", '"router"'),
            ("gateway, metrics + auth + router", f"""
[[plugin]]
name = "metrics"
file = "metrics.so"
[[plugin]]
name = "auth"
file = "auth_jwt.so"
[plugin.config]
jwks_uri = "{jwks_url}"
""", '"metrics", "auth", "router"')):
        config = folder / f"{len(plugins)}.toml"
        config.write_text(f"""
[server]
listen = ["127.0.0.1:0"]
workers = 1
{plugins}
[[plugin]]
name = "router"
file = "router_eureka.so"
[plugin.config]
fetch = false
register = false
services = [{{ name = "O", endpoints = ["127.0.0.1:{origin}"] }}]
routes = [{{ id = "o", uri = "lb://O", predicates = ["Path=/**"] }}]
[[pipeline]]
match = {{ path = "/**" }}
filters = [{filters}]
""")
        gateway = harness.Gateway(config)
        yield name, gateway.port, gateway


def relay(options):
    with harness.scratch() as folder:
        origin_port = harness.free_port()
        origin = nginx(folder, "origin", f"""server {{ listen 127.0.0.1:{origin_port};
            location / {{ return 200 "{'x' * 100}"; }} }}""")
        keys = harness.KeyServer(folder)
        headers = ["Authorization: Bearer " + keys.token("bench", 86400)]
        running = list(proxies(folder, origin_port, keys.url))
        table = {}
        try:
            for _, port, _ in running:
                harness.wait_for("a competitor", lambda p=port: answers(p, headers))
            for connections in (64, 256):
                for _ in range(options.rounds):
                    for name, port, process in running:  # interleaved, so that drift meets all alike
                        before = cpu_seconds(process.child.pid)
                        requests = wrk(port, connections, options.seconds, headers=headers)
                        spent = cpu_seconds(process.child.pid) - before
                        table.setdefault((connections, name), []).append(
                            (spent * 1e5 / requests, requests / options.seconds))
        finally:
            for _, _, process in running:
                process.kill()
            origin.kill()
            keys.stop()
    lines = ["## Relay", "", "CPU seconds of the proxy per 100,000 requests, median of "
             f"{options.rounds} rounds of {options.seconds} s; ratio to nginx in the same run.", "",
             "| connections | proxy | CPU-s/100k | x nginx | requests/s |", "|---|---|---|---|---|"]
    for (connections, name), rounds in table.items():
        cpu = statistics.median(r[0] for r in rounds)
        base = statistics.median(r[0] for r in table[connections, "nginx"])
        rate = statistics.median(r[1] for r in rounds)
        lines.append(f"| {connections} | {name} | {cpu:.2f} | {cpu / base:.2f} | {rate:,.0f} |")
    return lines


def answers(port, headers):
    try:
        name, value = headers[0].split(": ", 1)
        return harness.request(port, "GET", "/x", {name: value}).status == 200
    except OSError:
        return False


def admission(options):
    with harness.scratch() as folder:
        keys = harness.KeyServer(folder)
        redis = harness.Redis(folder)
        env = {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(redis.port), "JWT_JWKS_URI": keys.url,
               "ALLOWED_IN_MAX_CAPACITY": "1", "EUREKA_FETCH": "false", "EUREKA_REGISTER": "false"}
        one, two = (harness.Gateway(ROOT / "deploy" / "gateway.toml", env, cwd=folder) for _ in range(2))
        try:
            people = [keys.bearer(f"p{i}") for i in range(options.rounds * 20 + 1)]
            for person in people:
                one.request("POST", "/api/v1/queue/lineup", person)
            took = []
            for leaver, waiter in zip(people, people[1:]):
                stream = harness.EventStream(two.port, "/api/v1/queue/stream", waiter)
                stream.wait("STATUS_UPDATE")
                begun = time.monotonic()
                one.request("DELETE", "/api/v1/queue/allowed-in-token", leaver)
                took.append((stream.wait("ALLOWED_IN")[1] - begun) * 1000)
                stream.close()
        finally:
            for process in (one, two, redis):
                process.kill()
            keys.stop()
    took.sort()
    return ["## Admission", "", "From `DELETE allowed-in-token` on one gateway to `ALLOWED_IN` on a stream of the other, "
            "as a client sees it.", "", "| freed slots | p50 ms | p99 ms | max ms |", "|---|---|---|---|",
            f"| {len(took)} | {statistics.median(took):.1f} | {took[int(len(took) * 0.99) - 1]:.1f} | {took[-1]:.1f} |"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["relay", "admission", []], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    lines = ["# Benchmarks", "", "Written by `make bench`. Medians of an interleaved run; compare ratios, not machines.", "",
             f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {processor.group(1) if processor else platform.machine()}", ""]
    for name, measure in (("relay", relay), ("admission", admission)):
        if not options.what or name in options.what:
            lines += measure(options) + [""]
    text = "\n".join(lines)
    print(text)
    if not options.what:
        folder = ROOT / "docs" / "benchmarks"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(text)


if __name__ == "__main__":
    main()
