"""Asks a web server until it gives a complete, good answer."""

import selectors
import socket
import time
from dataclasses import dataclass

PART = 65536
LOOK_SECONDS = 0.2  # at the most, until it is looked whether the server is over


@dataclass
class Manner:
    """How to ask: seconds from one connection to the next, how they grow, and how long one is kept."""

    pause: float
    growth: float
    patience: float


STARTING = Manner(0.005, 1.05, 2)  # it may never answer those that come before it listens
LISTENING = Manner(0.2, 2, 600)  # more connections would only keep a slow one from answering


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

    def __init__(self, address, path, patience):
        self.request, self.answer = request(path), b""
        self.deadline = time.monotonic() + patience
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
    """Connections to one address, one after the other until one is answered."""

    def __init__(self, address, path, manner):
        self.address, self.path, self.manner = address, path, manner
        self.selector = selectors.DefaultSelector()

    def open(self):
        attempt = Attempt(self.address, self.path, self.manner.patience)
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
        following, pause = 0, self.manner.pause
        while (now := time.monotonic()) < deadline and not is_over():
            if now >= following:
                self.drop_late()
                self.open()
                following, pause = now + pause, pause * self.manner.growth
            for key, _ in self.selector.select(min(max(0, following - time.monotonic()), LOOK_SECONDS)):
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


def first_answer(address, path, deadline, is_over=lambda: False, manner=STARTING):
    """The body of the first good answer, None without one."""
    asker = Asker(address, path, manner)
    try:
        return asker.until(deadline, is_over)
    finally:
        asker.close()
