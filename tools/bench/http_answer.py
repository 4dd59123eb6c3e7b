"""Asks a web server until it gives a complete, good answer."""

import selectors
import socket
import time

EVERY_SECONDS = 0.005  # between two connections: while a server starts, it may never answer an early one
PATIENCE_SECONDS = 0.4  # with one connection
PART = 65536


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode()


def body_of(answer):
    """The body of a whole answer with status 200; None of anything else, such as the beginning of one."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    if not blank or status.split(b" ")[:2] != [b"HTTP/1.1", b"200"]:
        return None
    for field in fields:
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit():
            return body if len(body) == int(value) else None
    return None


class Attempt:
    """One connection that asks for a page."""

    def __init__(self, address, path):
        self.request, self.answer = request(path), b""
        self.deadline = time.monotonic() + PATIENCE_SECONDS
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)

    def advance(self):
        """Does what is possible now. Returns the body, b"" while it takes, or None if it failed."""
        try:
            if self.request:
                self.socket.send(self.request)
                self.request = b""
                return b""
            part = self.socket.recv(PART)
        except BlockingIOError:
            return b""
        except OSError:
            return None
        self.answer += part
        body = body_of(self.answer)
        return body if body else b"" if part else None


class Asker:
    """Connections to one address; a new one every few milliseconds until one is answered."""

    def __init__(self, address, path):
        self.address, self.path = address, path
        self.selector = selectors.DefaultSelector()

    def open(self):
        attempt = Attempt(self.address, self.path)
        self.selector.register(attempt.socket, selectors.EVENT_WRITE, attempt)

    def drop(self, attempt):
        self.selector.unregister(attempt.socket)
        attempt.socket.close()

    def drop_late(self):
        now = time.monotonic()
        for key in [*self.selector.get_map().values()]:
            if key.data.deadline < now:
                self.drop(key.data)

    def until(self, deadline, is_over):
        """The first body, or None if there is none by then or the server is over."""
        following = 0
        while (now := time.monotonic()) < deadline and not is_over():
            if now >= following:
                self.drop_late()
                self.open()
                following = now + EVERY_SECONDS
            for key, _ in self.selector.select(max(0, following - time.monotonic())):
                body = key.data.advance()
                if body:
                    return body
                if body is None:
                    self.drop(key.data)
                else:
                    self.selector.modify(key.data.socket, selectors.EVENT_READ, key.data)
        return None

    def close(self):
        for key in [*self.selector.get_map().values()]:
            self.drop(key.data)
        self.selector.close()


def first_answer(address, path, deadline, is_over=lambda: False):
    """The body of the first good answer, None without one."""
    asker = Asker(address, path)
    try:
        return asker.until(deadline, is_over)
    finally:
        asker.close()
