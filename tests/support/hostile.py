# SPDX-License-Identifier: Apache-2.0
"""What clients can make a gateway hold who say little and wait: each way we know, and how many bytes it costs."""

import socket
import time

import harness

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
CHUNKED = POST + b"Transfer-Encoding:chunked\r\n\r\n"
# What each connection says, and then no more; ROUTED: the service takes connections, and no more either.
WAYS = {
    "nothing": (CONFIG, b""),
    "a byte": (CONFIG, b"G"),
    "a request line": (CONFIG, b"GET / HTTP/1.1\r\n"),
    "and a byte more": (CONFIG, b"GET / HTTP/1.1\r\nH"),
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
    "of HTTP/1.0, without a Host": (ROUTED, b"GET / HTTP/1.0\r\n\r\n"),
    "50 requests to it": (ROUTED, b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * 50),
    "1,000 tiny chunks to it": (ROUTED, CHUNKED + b"1\r\na\r\n" * 1000),
    "a chunk's extension": (ROUTED, CHUNKED + b"1;" + b"a" * 1000),
    "trailers": (ROUTED, CHUNKED + b"0\r\n" + b"a:\r\n" * 500),
    "60 kB to it": (ROUTED, POST + b"Content-Length:9999999\r\n\r\n" + b"x" * 60000),
}
# Too few bytes to be worth what a connection, or a request at a service, costs: a number of them bounds these.
BOUNDED_BY_NUMBER = ("nothing", "a byte", "a byte of a PROXY header", "of HTTP/1.0, without a Host")


def resident(pid):
    """Bytes that are the process's own. Clean pages of a file are so or not as others who map it come and go."""
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_Dirty"))


def held_by(config, data, clients):
    """(bytes held for a connection, bytes it sent) by that many clients, without those of an idle gateway."""
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
