# SPDX-License-Identifier: Apache-2.0
"""The competitors of the benchmarks, all of one worker in front of one origin, and what measures them."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import harness  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
TOOLS = harness.BUILD / "bench"


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


NGINX_HEAD = """{head} worker_processes 1; pid {folder}/{name}.pid; error_log stderr error;
events {{ worker_connections {connections}; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
"""


def nginx(folder, name, body, head="", connections=8192):
    config = folder / f"{name}.conf"
    config.write_text(NGINX_HEAD.format(folder=folder, name=name, head=head, connections=connections) + body + "}\n")
    return harness.NginxProcess(folder, config)


def haproxy(folder, port, origin):
    config = folder / "haproxy.cfg"
    config.write_text(f"""
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 30s
    http-reuse always
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s 127.0.0.1:{origin} pool-max-conn 512
""")
    return harness.Process([shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", config])


def gateway(folder, name, origin, jwks_url, filters, env=None):
    """One worker; `filters` stand before the router."""
    known = {"metrics": 'file = "metrics.so"',
             "auth": f'file = "auth_jwt.so"\n[plugin.config]\njwks_uri = "{jwks_url}"'}
    noop = f'file = "{TOOLS}/noop.so"'
    plugins = "".join(f'[[plugin]]\nname = "{each}"\n{known.get(each, noop)}\n' for each in filters)
    config = folder / f"{name}.toml"
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
filters = {[*filters, "router"]}
""".replace("'", '"'))
    return harness.Gateway(config, env)


class Field:
    """An origin of nginx with a 100-byte answer, keys, and competitors that are stopped at the end."""

    def __init__(self, folder):
        self.folder = folder
        self.origin = harness.free_port()
        self._parts = [nginx(folder, "origin", f"""server {{ listen 127.0.0.1:{self.origin};
            location / {{ return 200 "{'x' * 100}"; }} }}""")]
        self.keys = harness.KeyServer(folder)
        self.headers = ["Authorization: Bearer " + self.keys.token("bench", 86400)]
        self.running = []

    def add(self, name, port, process):
        self._parts.append(process)
        self.running.append((name, port, process))
        harness.wait_for(name, lambda: self._answers(port))

    def add_peers(self):
        port = harness.free_port()
        self.add("nginx", port, nginx(self.folder, "proxy", f"""
            upstream origin {{ server 127.0.0.1:{self.origin}; keepalive 512; keepalive_requests 1000000000; }}
            server {{ listen 127.0.0.1:{port};
              location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ''; }} }}"""))
        port = harness.free_port()
        self.add("HAProxy", port, haproxy(self.folder, port, self.origin))

    def add_relay(self):
        port = harness.free_port()
        self.add("libuv relay that parses nothing", port,
                 harness.Process([TOOLS / "bench_relay", port, self.origin]))

    def add_gateway(self, name, filters=(), env=None):
        process = gateway(self.folder, f"gateway-{len(self.running)}", self.origin, self.keys.url, filters, env)
        self.add(name, process.port, process)

    def _answers(self, port):
        try:
            name, value = self.headers[0].split(": ", 1)
            return harness.request(port, "GET", "/x", {name: value}).status == 200
        except OSError:
            return False

    def stop(self):
        for part in reversed(self._parts):
            part.kill()
        self.keys.stop()


@contextlib.contextmanager
def field():
    with harness.scratch() as folder:
        it = Field(folder)
        try:
            yield it
        finally:
            it.stop()
