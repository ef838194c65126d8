# SPDX-License-Identifier: Apache-2.0
"""Plain sockets on both sides of a gateway: a client and a service that say exactly the bytes of a test."""

import socket
import struct

import harness


class Line:
    """One end of a connection. Reads have a deadline; what was read but not asked for yet is `held`."""

    def __init__(self, connection):
        self.socket, self.held, self.ended = connection, b"", None
        self.socket.settimeout(harness.DEADLINE_S)

    def send(self, data):
        self.socket.sendall(data)
        return self

    def _more(self):
        """False at the end, which `ended` describes: "closed" or "reset"."""
        try:
            piece = self.socket.recv(65536)
        except ConnectionError:
            self.ended = "reset"
            return False
        if not piece:
            self.ended = "closed"
            return False
        self.held += piece
        return True

    def until(self, mark):
        """What comes up to and with `mark`."""
        while mark not in self.held:
            if not self._more():
                raise AssertionError(f"{self.ended} before {mark!r}; got {self.held!r}")
        head, _, self.held = self.held.partition(mark)
        return head + mark

    def exactly(self, size):
        while len(self.held) < size:
            if not self._more():
                raise AssertionError(f"{self.ended} before {size} bytes; got {self.held!r}")
        taken, self.held = self.held[:size], self.held[size:]
        return taken

    def rest(self):
        """Everything up to the end."""
        while self._more():
            pass
        taken, self.held = self.held, b""
        return taken

    def skip(self, size):
        """Reads that many bytes and forgets them."""
        while size > 0:
            if not self.held and not self._more():
                raise AssertionError(f"{self.ended} {size} bytes too early")
            size, self.held = size - len(self.held[:size]), self.held[size:]
        return self

    def head(self):
        return Head(self.until(b"\r\n\r\n"))

    def answer(self, to="GET"):
        """(head, body) of the next answer, by its own framing; 1xx count as answers."""
        head = self.head()
        if to == "HEAD" or head.status in (204, 304) or head.status < 200:
            return head, b""
        if head.get("transfer-encoding") == "chunked":
            return head, self.chunks()
        if head.get("content-length") is not None:
            return head, self.exactly(int(head.get("content-length")))
        return head, self.rest()

    def chunks(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        while self.until(b"\r\n") != b"\r\n":
            pass
        return body

    def end_output(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


class Head:
    """Start line and fields of a message."""

    def __init__(self, text):
        self.text = text
        lines = text.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:] if line]
        parts = self.start.split(" ")
        self.status = int(parts[1]) if self.start.startswith("HTTP/") else 0

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None


def connect(port, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(harness.DEADLINE_S)
    connection.connect(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Line(connection)


class Origin:
    """A listening socket: the test itself is the service."""

    def __init__(self, host="127.0.0.1", receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.bind((host, 0))
        self.socket.listen(512)
        self.socket.settimeout(harness.DEADLINE_S)
        self.port = self.socket.getsockname()[1]

    def accept(self):
        connection = self.socket.accept()[0]
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Line(connection)

    def stop(self):
        self.socket.close()
