"""The link between the gateway and its virtual machine: one connection's bytes, in records, over a socket.

A record is a 32-bit little-endian word, `type << 24 | length`, and that many bytes.
"""

import socket
import struct
import time

from http_answer import body_of, request

OPEN, DATA, END, READY, ABORT = 1, 2, 3, 4, 5
WORD = struct.Struct("<I")
PEER = bytes([127, 0, 0, 1]) + struct.pack("<H", 40000)  # whom the guest is told it serves
PART = 65536


def record(kind, content=b""):
    return WORD.pack(kind << 24 | len(content)) + content


def split(buffer):
    """([(type, content)…], rest) of the records that have come whole."""
    records = []
    while len(buffer) >= WORD.size:
        word = WORD.unpack_from(buffer)[0]
        end = WORD.size + (word & 0xFFFFFF)
        if len(buffer) < end:
            break
        records.append((word >> 24, buffer[WORD.size : end]))
        buffer = buffer[end:]
    return records, buffer


def first_answer(end, path, deadline):
    """Opens the one connection that the machine has, asks for a page and returns its body; None if none comes."""
    end.sendall(record(OPEN, PEER) + record(DATA, request(path)))
    buffer, answer = b"", b""
    while (left := deadline - time.monotonic()) > 0:
        end.settimeout(left)
        try:
            part = end.recv(PART)
        except (TimeoutError, ConnectionError):
            return None
        records, buffer = split(buffer + part)
        answer += b"".join(content for kind, content in records if kind == DATA)
        body = body_of(answer)
        if body is not None or not part or any(kind == ABORT for kind, _ in records):
            return body
    return None


def pair():
    """(ours, the machine's) ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
