"""What the web server promises, in every isolation mode, on both machines, with one and four CPUs."""

import gzip
import hashlib
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

from vm import ROOT, receive_all

PERIOD = 65521


def test_bodies_pattern():
    state, pattern = 1, bytearray()
    for _ in range(PERIOD):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        pattern.append(state >> 24)
    return bytes(pattern)


PATTERN = test_bodies_pattern()
test_bodies_pattern.__test__ = False


def head_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    return int(status.split()[1]), dict(field.split(": ", 1) for field in fields), body


def ask(machine, path="/", method="GET", version="HTTP/1.1", **fields):
    lines = [f"{method} {path} {version}", "Host: test", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return head_of(machine.exchange("\r\n".join(lines).encode() + b"\r\n\r\n"))


def index():
    return (ROOT / "site" / "index.html").read_bytes()


def test_page_is_served(machine):
    status, fields, body = ask(machine)
    assert (status, body) == (200, index())
    assert fields["Server"] == "Starina"
    assert fields["Content-Type"] == "text/html; charset=utf-8"
    assert fields["Content-Length"] == str(len(body))


def test_content_types(machine):
    for path, kind in (("/style.css", "text/css"), ("/live.js", "text/javascript"), ("/icon.svg", "image/svg+xml")):
        assert ask(machine, path)[1]["Content-Type"].startswith(kind)


def test_head_has_no_body(machine):
    status, fields, body = ask(machine, method="HEAD")
    assert (status, body, fields["Content-Length"]) == (200, b"", str(len(index())))
    assert ask(machine, "/none", method="HEAD")[2] == b""


def test_unknown_path_is_not_found(machine):
    for path in ("/none", "/components/init", "/../system", "/%2e%2e/system", "/index.html/", "/" + "a" * 500):
        assert ask(machine, path)[0] == 404, path


def test_paths_are_decoded_and_normalized(machine):
    for path in ("/index.html", "/%69ndex.html", "/./index.html", "/a/../index.html", "//index.html", "/index.html?x=1", "http://test/index.html", "http://test"):
        assert ask(machine, path)[2] == index(), path


def test_validators(machine):
    _, fields, _ = ask(machine)
    assert ask(machine, If_None_Match=fields["ETag"])[0] == 304
    assert ask(machine, If_None_Match=f'"x", W/{fields["ETag"]}')[0] == 304
    assert ask(machine, If_None_Match='"x"', If_Modified_Since=fields["Last-Modified"])[0] == 200
    assert ask(machine, If_Modified_Since=fields["Last-Modified"])[0] == 304
    assert ask(machine, If_Modified_Since="Sun, 06 Nov 1994 08:49:37 GMT")[0] == 200
    assert ask(machine, If_Modified_Since="yesterday")[0] == 200
    assert ask(machine, If_Match='"x"')[0] == 412
    assert ask(machine, If_Unmodified_Since="Sun, 06 Nov 1994 08:49:37 GMT")[0] == 412


def test_ranges(machine):
    whole = index()
    for asked, first, last in (("0-9", 0, 9), ("10-", 10, len(whole) - 1), ("-7", len(whole) - 7, len(whole) - 1), ("5-999999", 5, len(whole) - 1)):
        status, fields, body = ask(machine, Range=f"bytes={asked}")
        assert (status, body) == (206, whole[first : last + 1]), asked
        assert fields["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"
    assert ask(machine, Range=f"bytes={len(whole)}-")[0] == 416
    assert ask(machine, Range="bytes=-0")[0] == 416
    for ignored in ("bytes=9-5", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes="):
        assert ask(machine, Range=ignored)[0] == 200, ignored
    assert ask(machine, Range="bytes=0-9", If_Range='"x"')[0] == 200
    assert ask(machine, Range="bytes=0-9", If_Range=ask(machine)[1]["ETag"])[0] == 206


def test_methods(machine):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        status, fields, _ = ask(machine, method=method)
        assert (status, fields["Allow"]) == (405, "GET, HEAD"), method
    assert ask(machine, method="BREW")[0] == 501


def test_keep_alive_and_pipelining(machine):
    request = b"GET /style.css HTTP/1.1\r\nHost: t\r\n\r\n"
    last = b"HEAD / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    answer = machine.exchange(request * 20 + last)
    css = (ROOT / "site" / "style.css").read_bytes()
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 21
    assert answer.count(css) == 20


def test_http_1_0_closes_unless_asked(machine):
    answer = machine.exchange(b"GET / HTTP/1.0\r\n\r\n")
    assert head_of(answer)[0] == 200
    with machine.connect() as connection:
        for _ in range(2):
            connection.sendall(b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_request_in_single_bytes(machine):
    with machine.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert head_of(receive_all(connection))[2] == index()


def test_request_body_is_read_and_dropped(machine):
    body = b"x" * 60000
    request = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    chunked = b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    answer = machine.exchange(request + chunked + last)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"405", b"405", b"200"]


def test_status_tells_components(machine):
    state = machine.status()
    names = [item["name"] for item in state["components"]]
    assert names[0] == "init" and {"virtio_net", "tcpip", "http_server"} <= set(names)
    modes = {item["name"]: item["isolation"] for item in state["components"]}
    expected = {"user": ("user", "user"), "kernel": ("kernel", "kernel"), "mixed": ("kernel", "user")}[machine.isolation]
    assert (modes["tcpip"], modes["http_server"]) == expected
    assert state["boot_us"] > 0 and state["uptime_us"] >= state["boot_us"]
    assert all(item["memory"] <= item["memory_limit"] for item in state["components"])


def test_status_for_many_at_once(machine):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: json.loads(machine.get("/api/status")), range(64)))
    assert all(len(answer["components"]) == len(answers[0]["components"]) for answer in answers)


def test_large_body_is_intact(machine):
    size = 1 << 20
    expected = (PATTERN * (size // PERIOD + 1))[:size]
    assert hashlib.sha256(machine.get(f"/test/{size}")).digest() == hashlib.sha256(expected).digest()


def test_many_large_bodies_at_once(machine):
    size = 300_000
    expected = (PATTERN * (size // PERIOD + 1))[:size]
    with ThreadPoolExecutor(8) as pool:
        assert all(body == expected for body in pool.map(lambda _: machine.get(f"/test/{size}"), range(24)))


def test_client_that_leaves_early_harms_nobody(machine):
    for _ in range(20):
        with machine.connect() as connection:
            connection.sendall(b"GET /test/10000000 HTTP/1.1\r\nHost: t\r\n\r\n")
            connection.recv(1000)
    assert machine.get() == index()


def test_more_connections_than_it_has(machine):
    idle = []
    try:
        for _ in range(140):
            idle.append(machine.connect())
            idle[-1].sendall(b"HEAD / HTTP/1.1\r\nHost: t\r\n\r\n")
            assert idle[-1].recv(4096).startswith(b"HTTP/1.1 200")
        assert machine.get() == index()
    finally:
        for connection in idle:
            connection.close()
    assert machine.get() == index()


def test_page_is_small():
    site = b"".join(path.read_bytes() for path in (ROOT / "site").iterdir())
    assert len(gzip.compress(site)) < 30_000
