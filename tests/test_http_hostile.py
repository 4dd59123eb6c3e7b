"""Malformed and hostile HTTP: each exchange gets exactly its answer, and the server goes on as before."""

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from vm import ROOT, receive_all

OK = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


def get(*fields, target="/", version="HTTP/1.1"):
    lines = [f"GET {target} {version}".encode(), b"Host: t", b"Connection: close", *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(*fields, body=b""):
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: t", *fields]) + b"\r\n\r\n" + body


# Name: what is sent, the status codes that come back. Unless the codes say otherwise, the server closes afterwards.
EXCHANGES = {
    # Request lines
    "garbage": (b"\x00\x01\x02\xff\xfe\r\n\r\n", [400]),
    "text": (b"hello\r\n\r\n", [400]),
    "tls_hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 64 + b"\r\n\r\n", [400]),
    "http2_preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
    "http_2": (get(version="HTTP/2.0"), [505]),
    "http_9_9": (get(version="HTTP/9.9"), [505]),
    "no_version": (b"GET /\r\n\r\n", [400]),
    "wrong_protocol": (b"GET / ICE/1.0\r\nHost: t\r\n\r\n", [400]),
    "lower_case_version": (b"GET / http/1.1\r\nHost: t\r\n\r\n", [400]),
    "short_version": (b"GET / HTTP/1\r\nHost: t\r\n\r\n", [400]),
    "two_spaces": (b"GET  / HTTP/1.1\r\nHost: t\r\n\r\n", [400]),
    "tab_for_space": (b"GET\t/ HTTP/1.1\r\nHost: t\r\n\r\n", [400]),
    "space_before_method": (b" GET / HTTP/1.1\r\nHost: t\r\n\r\n", [400]),
    "unknown_method": (b"BREW / HTTP/1.1\r\nHost: t\r\n\r\n", [501]),
    "lower_case_method": (b"get / HTTP/1.1\r\nHost: t\r\n\r\n", [501]),
    "long_method": (b"A" * 200 + b" / HTTP/1.1\r\nHost: t\r\n\r\n", [501]),
    "connect": (b"CONNECT example.org:443 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", [405]),
    # Targets
    "no_slash": (get(target="index.html"), [400]),
    "asterisk": (get(target="*"), [400]),
    "fragment": (get(target="/#x"), [400]),
    "bad_percent": (get(target="/%zz"), [400]),
    "cut_percent": (get(target="/%4"), [400]),
    "encoded_nul": (get(target="/index.html%00.txt"), [400]),
    "non_ascii_target": (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", [400]),
    "traversal": (get(target="/../../../../system"), [404]),
    "encoded_traversal": (get(target="/%2e%2e/%2e%2e/components/init"), [404]),
    "encoded_slash": (get(target="/..%2f..%2fsystem"), [404]),
    "backslashes": (get(target="/..\\..\\system"), [404]),
    "target_at_limit": (get(target="/" + "a" * 2040), [404]),
    "target_too_long": (get(target="/" + "a" * 3000), [414]),
    "target_endless": (b"GET /" + b"a" * 12000, [414]),
    # Line ends and bytes that don't belong there
    "bare_lf": (b"GET / HTTP/1.1\nHost: t\n\n", [400]),
    "bare_lf_in_fields": (b"GET / HTTP/1.1\r\nHost: t\nX: y\r\n\r\n", [400]),
    "bare_cr": (b"GET / HTTP/1.1\r\nHost: t\rX: y\r\n\r\n", [400]),
    "nul_in_value": (get(b"X: a\x00b"), [400]),
    "control_in_value": (get(b"X: a\x01b"), [400]),
    "delete_in_value": (get(b"X: a\x7fb"), [400]),
    "folded_line": (get(b"X: a\r\n b"), [400]),
    "folded_first": (b"GET / HTTP/1.1\r\n Host: t\r\n\r\n", [400]),
    # Fields
    "no_host": (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", [400]),
    "two_hosts": (get(b"Host: u"), [400]),
    "no_colon": (get(b"Broken"), [400]),
    "empty_name": (get(b": value"), [400]),
    "space_in_name": (get(b"Bad Name: x"), [400]),
    "space_before_colon": (get(b"X : y"), [400]),
    "non_ascii_name": (get(b"\xc3\xa4: y"), [400]),
    "many_fields": (get(*[b"X%d: y" % i for i in range(200)]), [431]),
    "long_field": (get(b"X: " + b"a" * 9000), [431]),
    "long_name": (get(b"a" * 9000 + b": x"), [431]),
    "endless_fields": (b"GET / HTTP/1.1\r\nHost: t\r\n" + b"X: y\r\n" * 3000, [431]),
    "unknown_expectation": (get(b"Expect: tea"), [417]),
    # Lengths and smuggling
    "length_and_chunked": (post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + OK), [400]),
    "chunked_and_length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + OK), [400]),
    "two_lengths": (post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello" + OK), [400]),
    "same_length_twice": (post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello" + OK), [400]),
    "length_list": (post(b"Content-Length: 5, 5", body=b"hello" + OK), [400]),
    "negative_length": (post(b"Content-Length: -1", body=OK), [400]),
    "plus_length": (post(b"Content-Length: +5", body=b"hello" + OK), [400]),
    "hex_length": (post(b"Content-Length: 0x5", body=b"hello" + OK), [400]),
    "length_overflow": (post(b"Content-Length: 99999999999999999999999", body=OK), [400]),
    "length_too_large": (post(b"Content-Length: 10000000"), [413]),
    "other_coding": (post(b"Transfer-Encoding: gzip", body=OK), [501]),
    "coding_list": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + OK), [501]),
    "chunked_twice": (post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n" + OK), [400]),
    "obscured_chunked": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + OK), [501]),
    "not_quite_chunked": (post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + OK), [400]),
    "chunk_size_garbage": (post(b"Transfer-Encoding: chunked", body=b"zz\r\nhello\r\n0\r\n\r\n"), [400]),
    "chunk_size_negative": (post(b"Transfer-Encoding: chunked", body=b"-5\r\nhello\r\n0\r\n\r\n"), [400]),
    "chunk_size_overflow": (post(b"Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\nhello"), [400]),
    "chunk_too_short": (post(b"Transfer-Encoding: chunked", body=b"3\r\nhello\r\n0\r\n\r\n"), [400]),
    "chunk_without_end": (post(b"Transfer-Encoding: chunked", body=b"5\r\nhelloX\r\n0\r\n\r\n"), [400]),
    "chunks_too_large": (post(b"Transfer-Encoding: chunked", body=(b"1000\r\n" + b"a" * 4096 + b"\r\n") * 20), [413]),
    # Pipelining
    "garbage_behind_request": (b"GET / HTTP/1.1\r\nHost: t\r\n\r\n\x00\x01garbage\r\n\r\n", [200, 400]),
    "many_then_garbage": (b"HEAD / HTTP/1.1\r\nHost: t\r\n\r\n" * 30 + b"nonsense\r\n\r\n", [200] * 30 + [400]),
    "nothing_behind_an_error": (b"GET / HTTP/3.0\r\nHost: t\r\n\r\n" + OK, [505]),
    "close_is_final": (OK + OK, [200]),
    "empty_lines_before": (b"\r\n\r\n\r\n" + OK, [200]),
    # Truncated, with the client's end of the stream
    "nothing": (b"", []),
    "half_a_line": (b"GET / HT", "end"),
    "half_a_head": (b"GET / HTTP/1.1\r\nHost: t\r\n", "end"),
    "half_a_body": (post(b"Content-Length: 100", body=b"only this"), "end"),
    "half_a_chunk": (post(b"Transfer-Encoding: chunked", body=b"ff\r\nonly this"), "end"),
}


def statuses(answer):
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer)]


def assert_serves(machine):
    assert machine.get() == (ROOT / "site" / "index.html").read_bytes()


def test_there_are_enough():
    assert len(EXCHANGES) >= 60


def check_exchange(machine, name):
    sent, expected = EXCHANGES[name]
    with machine.connect() as connection:
        try:
            connection.sendall(sent)
            if expected == "end" or not sent:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass  # it has answered early and closed
        answer = receive_all(connection)
    if expected == "end":
        assert answer == b""
    else:
        assert statuses(answer) == expected, answer[:300]
    assert_serves(machine)


@pytest.mark.parametrize("name", EXCHANGES)
def test_exchange(either_machine, name):
    check_exchange(either_machine, name)


def test_every_split_of_a_request_is_understood(either_machine):
    request = b"POST /x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + OK
    for at in range(1, len(request), 3):
        with either_machine.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(request[:at])
            time.sleep(0.002)
            connection.sendall(request[at:])
            assert statuses(receive_all(connection)) == [405, 200], at


def test_slow_head_gets_408(either_machine):
    with either_machine.connect() as connection:
        started = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        connection.settimeout(0.2)
        while not answer and time.monotonic() - started < 15:
            try:
                answer = connection.recv(4096)
            except TimeoutError:
                connection.sendall(b"X: y\r\n")  # a trickle must not extend its time
        assert statuses(answer) == [408]
        assert 1.5 < time.monotonic() - started < 10
    assert_serves(either_machine)


def test_slow_body_gets_408(either_machine):
    with either_machine.connect() as connection:
        connection.sendall(post(b"Content-Length: 100", body=b"x"))
        assert statuses(receive_all(connection)) == [408]
    assert_serves(either_machine)


def test_idle_connection_is_closed_without_a_word(either_machine):
    with either_machine.connect() as connection:
        assert receive_all(connection) == b""


def test_connection_that_is_idle_after_a_request_is_closed_without_a_word(either_machine):
    with either_machine.connect() as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert statuses(receive_all(connection)) == [200]


def test_reader_that_stops_does_not_hold_others_up(either_machine):
    with either_machine.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /test/100000000 HTTP/1.1\r\nHost: t\r\n\r\n" * 5)
        for _ in range(20):
            assert_serves(either_machine)


def test_expectation_is_answered_without_the_body(either_machine):
    answer = either_machine.exchange(post(b"Expect: 100-continue", b"Content-Length: 10"))
    assert statuses(answer) == [405]


# --- The same in every combination, many clients at once ---

CLIENTS = 6  # more would starve each other on a busy host, where four virtual CPUs share two cores with others
SLOW = (
    test_slow_head_gets_408,
    test_slow_body_gets_408,
    test_idle_connection_is_closed_without_a_word,
    test_connection_that_is_idle_after_a_request_is_closed_without_a_word,
    test_reader_that_stops_does_not_hold_others_up,
    test_expectation_is_answered_without_the_body,
)


def failure_of(check, *arguments):
    try:
        check(*arguments)
    except Exception as failure:
        return repr(failure)


def test_all_exchanges_at_once(machine):
    with ThreadPoolExecutor(CLIENTS) as pool:
        results = {}
        for check in SLOW:
            results[check.__name__] = pool.submit(failure_of, check, machine)
            time.sleep(0.1)  # of a burst QEMU's user networking lets some wait for seconds, those that say nothing above all
        results |= {name: pool.submit(failure_of, check_exchange, machine, name) for name in EXCHANGES}
    failures = {name: result.result() for name, result in results.items() if result.result()}
    assert failures == {}
