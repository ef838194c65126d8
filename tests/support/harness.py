# SPDX-License-Identifier: Apache-2.0
"""Real parts for tests that cross a process: gateways, redis-server, nginx, a key server, services.

Everything listens on loopback, on ports the system chose; every part is stopped by its own handle. A
wait has a generous deadline and ends as soon as what it waits for has happened.
"""

import base64
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GW_BUILD", ROOT / "build" / "release")).resolve()
GATEWAY = BUILD / "bin" / "gateway"
REDIS_SERVER = os.environ.get("GW_TEST_SERVER", "redis-server")
DEADLINE_S = 60.0


def sanitized():
    """Is this a build with a sanitizer? It ends a process that crashes in a way of its own."""
    return re.search(r"^GW_SANITIZE:\w+=.", (BUILD / "CMakeCache.txt").read_text(), re.M) is not None


def debug():
    """Is this a debug build? It aborts when a plugin breaks the ABI."""
    return "CMAKE_BUILD_TYPE:STRING=Debug" in (BUILD / "CMakeCache.txt").read_text()


def wait_for(what, probe, deadline_s=DEADLINE_S):
    """The first true answer of `probe`; fails with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s in vain for {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child process whose standard error is kept; killed, if need be, by its own pid."""

    def __init__(self, command, env=None, cwd=None):
        self.lines = []
        self._arrived = threading.Condition()
        self.child = subprocess.Popen(
            [str(part) for part in command], env=env, cwd=cwd, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.child.stderr:
            for line in self.child.stderr:
                with self._arrived:
                    self.lines.append(line.rstrip("\n"))
                    self._arrived.notify_all()

    def log(self):
        with self._arrived:
            return "\n".join(self.lines)

    def wait_log(self, pattern, deadline_s=DEADLINE_S, after=0):
        """The match of the first line (from number `after` on) in which `pattern` is found."""
        def probe():
            with self._arrived:
                for line in self.lines[after:]:
                    found = re.search(pattern, line)
                    if found:
                        return found
            if self.child.poll() is not None:
                self._reader.join(5)
                with self._arrived:
                    for line in self.lines[after:]:
                        found = re.search(pattern, line)
                        if found:
                            return found
                raise AssertionError(f"ended with {self.child.returncode} before {pattern!r}:\n{self.log()}")
            return None
        try:
            return wait_for(f"log line {pattern!r}", probe, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def signal(self, number):
        self.child.send_signal(number)

    def stop(self, deadline_s=DEADLINE_S):
        """SIGTERM, then the exit status."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            status = self.child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"did not stop within {deadline_s} s:\n{self.log()}") from None
        finally:
            self._reader.join(5)
        return status

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._reader.join(5)


class Gateway(Process):
    """A gateway on `config` (a path), listening on a port of the system's choice unless env says else."""

    def __init__(self, config, env=None, cwd=None, program=GATEWAY):
        everything = {"PATH": os.environ["PATH"], "SERVER_PORT": "0"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                everything[name] = os.environ[name]
        everything.update(env or {})
        super().__init__([program, "--config", config], env=everything, cwd=cwd or ROOT)
        self.port = int(self.wait_log(r"listening on http://[^ ]*:(\d+)").group(1))
        self.wait_log(r"generation 1 is active|serving")

    def request(self, method, path, headers=None, body=None):
        return request(self.port, method, path, headers, body)

    def reload(self):
        """SIGHUP; True when the new generation became active, False when it was refused."""
        with self._arrived:
            seen = len(self.lines)
        self.signal(signal.SIGHUP)
        return self.wait_log(r"reload (done|refused)", after=seen).group(1) == "done"

    def stop(self, deadline_s=DEADLINE_S):
        status = super().stop(deadline_s)
        if status != 0:
            raise AssertionError(f"the gateway ended with {status}:\n{self.log()}")
        return status


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def request(port, method, path, headers=None, body=None, deadline_s=DEADLINE_S):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=deadline_s)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def raw_request(port, data, deadline_s=DEADLINE_S):
    """Sends bytes as they are; everything that came until the other side closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=deadline_s) as connection:
        connection.sendall(data)
        got = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                got += piece
        return got


class EventStream:
    """A server-sent event stream read in the background: (event, data, id) with the time of arrival."""

    def __init__(self, port, path, headers=None):
        self.events, self.ended, self.error = [], False, None
        self._arrived = threading.Condition()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        self._connection.request("GET", path, headers={"Accept": "text/event-stream", **(headers or {})})
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self.status, self.headers = self.answer.status, self.answer.headers
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        name, data = None, []
        try:
            for line in self.answer:
                line = line.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].strip())
                elif not line and name:
                    with self._arrived:
                        self.events.append((name, json.loads("\n".join(data)), time.monotonic()))
                        self._arrived.notify_all()
                    name, data = None, []
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.error = error
        with self._arrived:
            self.ended = True
            self._arrived.notify_all()

    def wait(self, name, count=1, deadline_s=DEADLINE_S):
        """Data and arrival time of the `count`-th event of that name."""
        def probe():
            with self._arrived:
                found = [event for event in self.events if event[0] == name]
                if len(found) >= count:
                    return found[count - 1][1:]
                if self.ended:
                    raise AssertionError(f"the stream ended without {name}: {self.events} {self.error}")
                return None
        return wait_for(f"event {name}; got {self.events}", probe, deadline_s)

    def wait_end(self, deadline_s=DEADLINE_S):
        wait_for(f"the end of the stream; got {self.events}", lambda: self.ended, deadline_s)
        if self.error:
            raise AssertionError(f"the stream broke: {self.error!r}")

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(10)
        self.answer.close()
        self._connection.close()


class Server:
    """An HTTP server in a thread; `answer(handler)` serves every method."""

    def __init__(self, answer, port=0):
        connections = self._connections = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                connections.add(self.connection)
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def log_message(self, *_):
                pass

            def send(self, status, body=b"", content_type="application/json", headers=()):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def serve(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_):
                pass

        self._server = Threads(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        """Stops listening and breaks what is connected."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Service(Server):
    """An upstream service that remembers what it received and answers with its name."""

    def __init__(self, name, port=0):
        self.name, self.requests = name, []
        super().__init__(self._answer, port)

    def _answer(self, handler):
        self.requests.append({"method": handler.command, "path": handler.path, "body": handler.body,
                              "headers": [(n.lower(), v) for n, v in handler.headers.items()]})
        handler.send(200, json.dumps({"service": self.name, "path": handler.path}).encode())


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class KeyServer(Server):
    """A JWKS endpoint with one RSA key, and the tokens it signs."""

    def __init__(self, folder):
        self.key = pathlib.Path(folder) / "key.pem"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True,
                                 capture_output=True, text=True).stdout.strip().split("=")[1]
        self.jwks = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "test-key", "e": "AQAB",
                               "n": base64url(bytes.fromhex(modulus))}]}
        self.fetches = 0
        super().__init__(self._answer)
        self.url = f"http://127.0.0.1:{self.port}/.well-known/jwks.json"

    def _answer(self, handler):
        self.fetches += 1
        handler.send(200, json.dumps(self.jwks).encode())

    def token(self, sub, lifetime_s=3600, header=None, **claims):
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": "test-key", **(header or {})}
        body = {"sub": sub, "userType": "CUSTOMER", "iat": now - 10, "exp": now + lifetime_s, **claims}
        signed = base64url(json.dumps(head).encode()) + "." + base64url(json.dumps(body).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], check=True,
                                   input=signed.encode(), capture_output=True).stdout
        return signed + "." + base64url(signature)

    def bearer(self, sub, **claims):
        return {"Authorization": "Bearer " + self.token(sub, **claims)}


class Eureka(Server):
    """As much of a Eureka server as a client sees: registry, register, heartbeat, cancel."""

    def __init__(self, applications):
        self.applications = {name.upper(): list(ports) for name, ports in applications.items()}
        self.registered, self.heartbeats = {}, 0
        super().__init__(self._answer)
        self.url = f"http://127.0.0.1:{self.port}/eureka/"

    def _registry(self):
        applications, up = [], 0
        for name, ports in self.applications.items():
            instances = []
            for port in ports:
                up += 1
                instances.append({
                    "instanceId": f"127.0.0.1:{name.lower()}:{port}", "app": name, "hostName": "127.0.0.1",
                    "ipAddr": "127.0.0.1", "status": "UP", "overriddenStatus": "UNKNOWN",
                    "port": {"$": port, "@enabled": "true"}, "securePort": {"$": 443, "@enabled": "false"},
                    "vipAddress": name.lower(), "actionType": "ADDED",
                    "dataCenterInfo": {"name": "MyOwn"}, "metadata": {}})
            applications.append({"name": name, "instance": instances})
        return {"applications": {"versions__delta": "1", "apps__hashcode": f"UP_{up}_" if up else "",
                                 "application": applications}}

    def _answer(self, handler):
        path = handler.path.split("?")[0].rstrip("/")
        if handler.command == "GET":
            handler.send(200, json.dumps(self._registry()).encode())
        elif handler.command == "POST":
            instance = json.loads(handler.body)["instance"]
            self.registered[instance["instanceId"]] = instance
            handler.send(204)
        elif handler.command == "PUT":
            known = path.rsplit("/", 1)[1] in self.registered
            self.heartbeats += known
            handler.send(200 if known else 404)
        else:
            self.registered.pop(path.rsplit("/", 1)[1], None)
            handler.send(200)


class Redis(Process):
    def __init__(self, folder, port=None):
        self.port = port or free_port()
        self.folder = folder
        super().__init__([REDIS_SERVER, "--port", self.port, "--bind", "127.0.0.1", "--save", "",
                          "--appendonly", "no", "--dir", folder, "--daemonize", "no", "--loglevel", "warning"])
        wait_for(REDIS_SERVER, lambda: self._answers())

    def _answers(self):
        if self.child.poll() is not None:
            raise AssertionError(REDIS_SERVER + " ended: " + self.log())
        with contextlib.suppress(OSError):
            return self.command("PING") == "PONG"

    def command(self, *words, deadline_s=DEADLINE_S):
        """One command; the reply as Python has it (errors raise)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=deadline_s) as connection:
            data = b"*%d\r\n" % len(words)
            for word in words:
                word = str(word).encode()
                data += b"$%d\r\n%s\r\n" % (len(word), word)
            connection.sendall(data)
            return self._reply(connection.makefile("rb"))

    def _reply(self, stream):
        line = stream.readline().decode().rstrip("\r\n")
        kind, rest = line[:1], line[1:]
        if kind == "-":
            raise RuntimeError(rest)
        if kind == ":":
            return int(rest)
        if kind == "$":
            return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
        if kind == "*":
            return [self._reply(stream) for _ in range(int(rest))]
        return rest


# The original's settings for the stream (its README), before two gateways.
NGINX = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream gateways {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location /api/v1/queue/stream {{
      proxy_pass http://{stream};
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      proxy_cache off;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_read_timeout 86400s;
    }}
    location / {{
      proxy_pass http://gateways;
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


class NginxProcess(Process):
    """nginx's master; its workers end with it only if it is asked to."""

    def __init__(self, folder, config):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        super().__init__([program, "-p", folder, "-c", config, "-g", "daemon off;"])

    def kill(self):
        self.stop()


class Nginx(NginxProcess):
    """nginx before gateways; the stream goes to `stream_port`."""

    def __init__(self, folder, gateway_ports, stream_port):
        self.port = free_port()
        folder = pathlib.Path(folder)
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(
            folder=folder, port=self.port, stream=f"127.0.0.1:{stream_port}",
            servers=" ".join(f"server 127.0.0.1:{port};" for port in gateway_ports)))
        super().__init__(folder, config)
        wait_for("nginx", self._listens)

    def _listens(self):
        if self.child.poll() is not None:
            raise AssertionError("nginx ended: " + self.log())
        return listens(self.port)


@contextlib.contextmanager
def scratch():
    """A folder for one test."""
    with tempfile.TemporaryDirectory(prefix="gateway-test-") as folder:
        os.chmod(folder, 0o755)  # nginx's worker is another user
        yield pathlib.Path(folder)
