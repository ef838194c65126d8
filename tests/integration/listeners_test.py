# SPDX-License-Identifier: Apache-2.0
"""The ways in: PROXY headers of real load balancers, inherited and Unix sockets, reloads, limits."""

import contextlib
import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import textwrap
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness  # noqa: E402

HAPROXY = """
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen {name}
  bind 127.0.0.1:{port}
  server gateway {address} {options}
"""

NGINX = """
load_module {module};
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 64; }}
stream {{
  server {{ listen 127.0.0.1:{port}; proxy_pass {address}; proxy_protocol on; }}
}}
"""
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"
NGINX_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

# Starts the gateway as systemd does: descriptors from 3 on, its own pid in LISTEN_PID.
ACTIVATOR = """
import os, sys
names = sys.argv[1]
fds = [int(text) for text in sys.argv[2].split(",")]
copies = [os.dup(fd) for fd in fds]
for i, fd in enumerate(copies):
    os.dup2(fd, 100 + i)
for i in range(len(copies)):
    os.dup2(100 + i, 3 + i)
    os.set_inheritable(3 + i, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(sys.argv[3], sys.argv[3:])
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=harness.DEADLINE_S)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def echoed(answer):
    return {name.lower(): value for name, value in answer["headers"]}


class Listeners(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.scratch())
        self.config = self.folder / "gateway.toml"

    def write(self, listeners, server=""):
        self.config.write_text(textwrap.dedent(f"""
            [server]
            workers = 2
            {server}
            """) + listeners + """
[[plugin]]
name = "echo"
file = "echo.so"
[[pipeline]]
filters = ["echo"]
""")

    def listener(self, name, address, more=""):
        return f'[[listener]]\nname = "{name}"\naddress = "{address}"\n{more}\n'

    def start(self, listeners, server=""):
        self.write(listeners, server)
        gateway = harness.Gateway(self.config)
        self.addCleanup(gateway.kill)
        return gateway

    def port_of(self, gateway, address="127.0.0.1", after=0):
        return int(gateway.wait_log(rf"listening on http://{address}:(\d+)", after=after).group(1))

    # ---- PROXY headers

    def balanced(self, process, port):
        """The address that the gateway believes, and the client's own, through a load balancer."""
        self.addCleanup(process.kill)

        def answers():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return harness.request(port, "GET", "/x").status == 200
        harness.wait_for("the load balancer", answers)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.DEADLINE_S,
                                                source_address=("127.0.0.7", 0))
        self.addCleanup(connection.close)
        for _ in range(2):  # the second on the same connection: no header comes before it
            connection.request("GET", "/x", headers={"X-Forwarded-For": "203.0.113.9"})
            seen = echoed(harness.json.loads(connection.getresponse().read()))
            self.assertEqual(seen["x-forwarded-for"], "127.0.0.7")
            self.assertEqual(seen["x-forwarded-port"], str(port))

    def haproxy(self, address, options):
        port = harness.free_port()
        config = self.folder / f"haproxy-{port}.cfg"
        config.write_text(HAPROXY.format(name="front", port=port, address=address, options=options))
        program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        return harness.Process([program, "-db", "-f", config]), port

    def test_behind_haproxy(self):
        gateway = self.start(self.listener("front", "127.0.0.1:0", "proxy_protocol = true"))
        for options in ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"):
            with self.subTest(options):
                process, port = self.haproxy(f"127.0.0.1:{gateway.port}", options)
                self.balanced(process, port)
        gateway.stop()

    def test_behind_haproxy_over_a_unix_socket(self):
        gateway = self.start(self.listener("plain", "127.0.0.1:0") + self.listener(
            "front", "unix:front.sock", 'proxy_protocol = true\nmode = "0666"'))
        process, port = self.haproxy(f"unix@{self.folder}/front.sock", "send-proxy-v2 check inter 100ms")
        self.balanced(process, port)
        gateway.stop()

    def test_behind_nginx(self):
        gateway = self.start(self.listener("front", "127.0.0.1:0", "proxy_protocol = true"))
        port = harness.free_port()
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(module=NGINX_MODULE, folder=self.folder, port=port,
                                       address=f"127.0.0.1:{gateway.port}"))
        self.balanced(harness.NginxProcess(self.folder, config), port)
        gateway.stop()

    def test_without_a_header_nobody_gets_in(self):
        gateway = self.start(self.listener("front", "127.0.0.1:0", "proxy_protocol = true"))
        self.assertEqual(harness.raw_request(gateway.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), b"")
        gateway.wait_log(r"closed a connection from 127.0.0.1 to listener front: no PROXY header")
        gateway.stop()

    def test_malformed_headers(self):
        """No byte of an answer to them, nor to the request behind them."""
        gateway = self.start(self.listener("front", "127.0.0.1:0", "proxy_protocol = true"))
        ip4 = b"\xc0\0\2\1\xc6\x33\x64\2\xdc\x04\1\xbb"

        def binary(command, family, rest, size=None):
            return PROXY_V2 + bytes([command, family]) + (len(rest) if size is None else size).to_bytes(2, "big") + rest
        bad = [
            b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            b"PROXY TCP4 1.2.3.4\x00 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nPROXY TCP4 1.2.3.5 1.2.3.4 1 2\r\n", b"\r\nPROXY UNKNOWN\r\n",
            binary(0x11, 0x11, ip4), binary(0x22, 0x11, ip4), binary(0x21, 0x41, ip4), binary(0x21, 0x13, ip4),
            binary(0x21, 0x11, ip4[1:]), binary(0x21, 0x21, ip4), binary(0x21, 0x11, ip4 + b"\4"),
            binary(0x21, 0x11, ip4 + b"\4\0\4abc"), binary(0x21, 0x11, ip4 + b"\3\0\4abcd"), binary(0x21, 0x11, b"", 0xffff),
            binary(0x21, 0x11, ip4 + b"\3\0\4\x32\x1f\x3a\x58\3\0\4\x41\x71\x5b\x27"),
        ]
        for header in bad:
            with self.subTest(header):
                got = harness.raw_request(gateway.port, header + b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                # A second header is no request; all else is closed without a word.
                self.assertTrue(got.startswith(b"HTTP/1.1 501 ") if header.count(b"PROXY TCP4") == 2 else got == b"", got)
        good = harness.raw_request(gateway.port, binary(0x21, 0x11, ip4) +
                                   b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertEqual(echoed(harness.json.loads(good.partition(b"\r\n\r\n")[2]))["x-forwarded-for"], "192.0.2.1")
        gateway.stop()

    def test_slow_headers(self):
        gateway = self.start(self.listener("front", "127.0.0.1:0", "proxy_protocol = true\nmax_connections = 2"),
                             'header_timeout = "300ms"')
        for begun in (b"", b"P", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2", PROXY_V2 + b"\x21\x11\x0f\x00" + b"x" * 3000):
            with self.subTest(begun[:20]):
                self.assertEqual(harness.raw_request(gateway.port, begun), b"")
        gateway.wait_log(r"closed a connection from 127.0.0.1 to listener front: too slow a PROXY header")

        def full():  # those that have not said who they are count, too
            with socket.create_connection(("127.0.0.1", gateway.port)), socket.create_connection(("127.0.0.1", gateway.port)):
                return b" 503 " in harness.raw_request(gateway.port, b"")
        harness.wait_for("the listener's limit", full)
        gateway.stop()

    # ---- Inherited sockets, and the service manager

    def test_socket_activation(self):
        self.write(self.listener("a", "systemd:web") + self.listener("b", "systemd:local"))
        inherited = [socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0)),
                     socket.socket(socket.AF_UNIX)]
        path = self.folder / "local.sock"
        inherited[2].bind(str(path))
        inherited[2].listen()
        notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notified.bind(str(self.folder / "notify.sock"))
        notified.settimeout(harness.DEADLINE_S)
        for one in inherited + [notified]:
            self.addCleanup(one.close)

        activator = self.folder / "activator.py"
        activator.write_text(ACTIVATOR)
        fds = [one.fileno() for one in inherited]
        process = subprocess.Popen(
            [sys.executable, activator, "web:web:local", ",".join(map(str, fds)), harness.GATEWAY,
             "--config", self.config], pass_fds=fds, stderr=subprocess.DEVNULL, cwd=self.folder,
            env={**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify.sock")})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(notified.recv(100), b"READY=1")

        for one in inherited[:2]:
            for _ in range(8):  # whichever worker takes it
                self.assertEqual(harness.request(one.getsockname()[1], "GET", "/x").status, 200)
        connection = UnixConnection(path)
        connection.request("GET", "/x")
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()

        process.send_signal(harness.signal.SIGHUP)
        self.assertTrue(notified.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC="))
        self.assertEqual(notified.recv(100), b"READY=1")
        self.assertEqual(harness.request(inherited[0].getsockname()[1], "GET", "/x").status, 200)
        process.send_signal(harness.signal.SIGTERM)
        self.assertEqual(notified.recv(100), b"STOPPING=1")
        self.assertEqual(process.wait(harness.DEADLINE_S), 0)
        self.assertTrue(path.exists(), "somebody else's socket file was removed")

    def test_a_name_that_was_not_inherited_is_an_error(self):
        self.write(self.listener("a", "systemd:web"))
        done = subprocess.run([harness.GATEWAY, "--config", self.config], capture_output=True, text=True,
                              timeout=harness.DEADLINE_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("gateway.toml:7:1: no socket named web was inherited", done.stderr)

    # ---- Reloads

    def test_reload_opens_and_closes_listeners(self):
        first = self.listener("first", "127.0.0.1:0")
        gateway = self.start(first)
        port = harness.free_port()
        seen = len(gateway.lines)
        path = self.folder / "local.sock"
        self.write(first + self.listener("second", f"127.0.0.1:{port}") +
                   self.listener("third", "unix:local.sock", 'mode = "0600"'))
        self.assertTrue(gateway.reload())
        gateway.wait_log(rf"listening on http://127.0.0.1:{port}", after=seen)
        self.assertEqual(harness.request(port, "GET", "/x").status, 200)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

        # Another listener at the same address; and one that cannot be had, which changes nothing.
        taken = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        self.write(first + self.listener("other", f"127.0.0.1:{port}", "proxy_protocol = true") +
                   self.listener("no", f"127.0.0.1:{taken.getsockname()[1]}"))
        self.assertFalse(gateway.reload())
        gateway.wait_log(r"gateway.toml:\d+:1: cannot listen on 127.0.0.1:\d+: bind: Address already in use")
        self.assertEqual(harness.request(port, "GET", "/x").status, 200)
        self.write(first + self.listener("other", f"127.0.0.1:{port}", "proxy_protocol = true"))
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.DEADLINE_S)
        self.addCleanup(kept.close)
        kept.request("GET", "/x")
        kept.getresponse().read()
        self.assertTrue(gateway.reload())
        gateway.wait_log("no longer listening on unix:")
        harness.wait_for("the socket file to go", lambda: not path.exists())
        harness.wait_for("the new rule", lambda: harness.raw_request(
            port, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /x HTTP/1.1\r\nHost: a\r\n"
                  b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200"))
        kept.request("GET", "/x")  # accepted under the old rule, and goes on
        self.assertEqual(kept.getresponse().status, 200)

        self.write(first)
        self.assertTrue(gateway.reload())

        def refused():
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                return True
        harness.wait_for("the listener to close", refused)
        self.assertEqual(gateway.request("GET", "/x").status, 200)
        gateway.stop()

    # ---- Addresses and limits

    def test_every_address_is_ipv4_and_ipv6(self):
        gateway = self.start(self.listener("all", "*:0"))
        self.assertEqual(gateway.request("GET", "/x").status, 200)
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(socket.create_connection(("::1", gateway.port)))
            except OSError:
                self.skipTest("no IPv6 here")
            connection.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertIn(b"200", connection.recv(100))
        gateway.stop()

    def test_a_listener_has_its_own_limit(self):
        gateway = self.start(self.listener("one", "127.0.0.1:0", "max_connections = 1"))
        kept = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=harness.DEADLINE_S)
        self.addCleanup(kept.close)
        kept.request("GET", "/x")
        kept.getresponse().read()
        answer = harness.raw_request(gateway.port, b"")
        self.assertTrue(answer.startswith(b"HTTP/1.1 503 "), answer)
        self.assertIn(b"\r\nRetry-After: 1\r\n", answer)
        gateway.wait_log(r"refused a connection from 127.0.0.1 to listener one: the listener's max_connections")
        gateway.stop()

    def test_standard_descriptors_may_be_closed(self):
        self.write(self.listener("one", "127.0.0.1:0"))
        for closing in ("<&-", ">&-", "<&- >&-"):
            with self.subTest(closing):
                started = harness.Process(["sh", "-c", f'exec "$@" {closing}', "sh", harness.GATEWAY, "--config", self.config])
                self.addCleanup(started.kill)
                started.wait_log("serving")
                self.assertEqual(started.stop(), 0)

    def test_hardly_any_descriptors_are_an_error(self):
        self.write(self.listener("one", "127.0.0.1:0"))
        for limit in (8, 60, 193):
            done = subprocess.run(["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", harness.GATEWAY, "--config", self.config],
                                  capture_output=True, text=True, timeout=harness.DEADLINE_S)
            self.assertEqual((done.returncode, done.stderr), (1, (
                f"gateway: only {limit} descriptors are allowed, and workers = 2 needs at least 194: "
                "raise the limit (LimitNOFILE=, ulimit -n)\n")))

    def test_too_few_descriptors_lower_the_limit(self):
        self.write(self.listener("one", "127.0.0.1:0"), "max_connections = 300")
        limited = harness.Process(["sh", "-c", 'ulimit -n 400; exec "$@"', "sh", harness.GATEWAY, "--config",
                                   self.config])
        self.addCleanup(limited.kill)
        limited.wait_log(r"max_connections = 300, but only 400 descriptors are allowed: "
                         r"no more than 104 connections")
        port = int(limited.wait_log(r"listening on http://127.0.0.1:(\d+)").group(1))
        limited.wait_log("serving")
        for _ in range(104):
            held = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.DEADLINE_S)
            self.addCleanup(held.close)
            held.request("GET", "/x")  # answered: it is counted
            self.assertEqual(held.getresponse().read()[:1], b"{")
        self.assertIn(b" 503 ", harness.raw_request(port, b""))
        held.request("GET", "/x")
        self.assertEqual(held.getresponse().status, 200)
        self.assertEqual(limited.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
