"""Malformed frames, injected at the device: each is dropped and counted, or refused, and the machine serves on."""

import contextlib
import random
import struct
import threading

import pytest
from combinations import COMBINATIONS, EITHER, arguments_of
from vm import Machine
from wire import (
    ACK, BROADCAST, ETHERTYPE_ARP, FIN, GUEST, ICMP, PEER, PEER_MAC, PSH, RST, STRANGER, SYN, TCP, UDP, URG, Wire, arp, ethernet,
    icmp, ipv4, tcp, udp,
)  # fmt: skip

MAC = b"\x52\x54\0\x12\x34\x56"  # QEMU's first
PORT = 54321


def packet(data):
    return ethernet(data, MAC)


def syn(**fields):
    return tcp(PORT, 80, 1, 0, SYN, **fields)


def ask(**fields):
    return packet(ipv4(syn(), TCP, **fields))


def arp_frame(*arguments, **fields):
    return ethernet(arp(*arguments, **fields), BROADCAST, ethertype=ETHERTYPE_ARP)


def option(*octets):
    return bytes(octets).ljust(-(-len(octets) // 4) * 4, b"\0")


LOOPBACK, GROUP, EVERYBODY = b"\x7f\0\0\1", b"\xe0\0\0\1", b"\xff" * 4

# Frames that no one may answer, each of which has to be counted.
DROPPED = {
    # Ethernet
    "ethernet: type nobody knows": ethernet(b"x" * 46, MAC, ethertype=0x88B5),
    "ethernet: a length in place of the type": ethernet(b"x" * 46, MAC, ethertype=46),
    "ethernet: IPv6": ethernet(b"\x60" + b"\0" * 59, MAC, ethertype=0x86DD),
    "ethernet: VLAN tag": ethernet(struct.pack("!HH", 7, 0x0800) + ipv4(syn(), TCP), MAC, ethertype=0x8100),
    "ethernet: a header and nothing else": ethernet(b"", MAC),
    "ethernet: one byte of IPv4": packet(b"\x45"),
    # ARP
    "arp: cut off": arp_frame(1, GUEST)[:30],
    "arp: no hardware we have": arp_frame(1, GUEST, hardware=6),
    "arp: protocol is not IPv4": arp_frame(1, GUEST, protocol=0x86DD),
    "arp: hardware address of 8 bytes": arp_frame(1, GUEST, hardware_size=8),
    "arp: hardware address of 255 bytes": arp_frame(1, GUEST, hardware_size=255),
    "arp: protocol address of 16 bytes": arp_frame(1, GUEST, protocol_size=16),
    "arp: operation nobody knows": arp_frame(77, GUEST),
    # IPv4
    "ip: 19 bytes": packet(ipv4(b"", TCP)[:19]),
    "ip: version 5": ask(version=5),
    "ip: version 0": ask(version=0),
    "ip: header of 0 words": ask(words=0),
    "ip: header of 4 words": ask(words=4),
    "ip: header of 15 words, packet of 10": ask(words=15),
    "ip: header longer than the total length": packet(ipv4(b"", TCP, words=10, length=20)),
    "ip: total length 0": ask(length=0),
    "ip: total length 19": ask(length=19),
    "ip: total length beyond the frame": ask(length=41),
    "ip: total length 65535": ask(length=65535),
    "ip: wrong checksum": ask(header_checksum=0x1234),
    "ip: checksum 0": ask(header_checksum=0),
    "ip: checksum 0xffff": ask(header_checksum=0xFFFF),
    "ip: for somebody else": ask(destination=STRANGER),
    "ip: from a broadcast address": ask(source=EVERYBODY),
    "ip: from the network's broadcast address": ask(source=b"\x0a\x09\0\xff"),
    "ip: from a multicast address": ask(source=GROUP),
    "ip: TCP to a broadcast address": ask(destination=EVERYBODY),
    "ip: TCP to a multicast group": ask(destination=GROUP),
    "ip: for the loopback network": ask(destination=LOOPBACK),
    "ip: first fragment": ask(fragment=0x2000),
    "ip: last fragment": ask(fragment=0x0010),
    "ip: fragment that ends beyond 65535": ask(fragment=0x1FFF),
    # ICMP
    "icmp: no header": packet(ipv4(b"", ICMP)),
    "icmp: 3 bytes": packet(ipv4(b"\x08\0\0", ICMP)),
    "icmp: echo of 7 bytes": packet(ipv4(icmp(8)[:7], ICMP)),
    "icmp: wrong checksum": packet(ipv4(icmp(8, value=0x1111), ICMP)),
    "icmp: type nobody knows": packet(ipv4(icmp(99), ICMP)),
    "icmp: redirect": packet(ipv4(icmp(5, 1, PEER, ipv4(b"12345678", UDP, source=GUEST, destination=STRANGER)), ICMP)),
    # UDP
    "udp: no header": packet(ipv4(b"", UDP)),
    "udp: 7 bytes": packet(ipv4(udp(9, 9)[:7], UDP)),
    "udp: wrong checksum": packet(ipv4(udp(9, 9, b"data", value=0x1234), UDP)),
    # TCP
    "tcp: no header": packet(ipv4(b"", TCP)),
    "tcp: 19 bytes": packet(ipv4(syn()[:19], TCP)),
    "tcp: header of 0 words": packet(ipv4(syn(words=0), TCP)),
    "tcp: header of 4 words": packet(ipv4(syn(words=4), TCP)),
    "tcp: header beyond the segment": packet(ipv4(syn(words=15), TCP)),
    "tcp: wrong checksum": packet(ipv4(syn(value=0x1234), TCP)),
    "tcp: checksum 0": packet(ipv4(syn(value=0), TCP)),
    "tcp: checksum over another address": packet(ipv4(syn(source=STRANGER), TCP)),
}

# Frames that get an answer which says no: flags of the TCP segment, or type and code of the ICMP message.
REFUSED = {
    "ip: protocol nobody knows": (packet(ipv4(b"x" * 20, 253)), (3, 2)),
    "udp: port that nobody has": (packet(ipv4(udp(9, 9, b"data"), UDP)), (3, 3)),
    "udp: without checksum, port that nobody has": (packet(ipv4(udp(9, 9, b"data", value=0), UDP)), (3, 3)),
    "tcp: port that nobody listens on": (packet(ipv4(tcp(PORT, 81, 1, 0, SYN), TCP)), RST | ACK),
    "tcp: port 0": (packet(ipv4(tcp(PORT, 0, 1, 0, SYN), TCP)), RST | ACK),
    "tcp: data without a connection": (packet(ipv4(tcp(PORT, 80, 1, 1, ACK | PSH, b"GET /"), TCP)), RST | ACK),
    "tcp: end without a connection": (packet(ipv4(tcp(PORT, 80, 1, 1, FIN | ACK), TCP)), RST | ACK),
    "tcp: answer to no question": (packet(ipv4(tcp(PORT, 80, 1, 1, SYN | ACK), TCP)), RST | ACK),
}

# Well-formed but odd frames that are answered or ignored as the standards say: the machine has to survive them.
ODD = {
    "ethernet: broadcast with an ordinary packet": ethernet(ipv4(udp(9, 9), UDP), BROADCAST),
    "ethernet: from a group address": ethernet(ipv4(icmp(8), ICMP), MAC, source=b"\x01\0\x5e\0\0\1"),
    "ethernet: padding after the packet": packet(ipv4(icmp(8), ICMP) + b"\xaa" * 1000),
    "arp: somebody claims the guest's address": arp_frame(2, GUEST, sender_ip=GUEST),
    "arp: somebody claims the broadcast address": arp_frame(2, GUEST, sender_ip=EVERYBODY),
    "arp: from the null address": arp_frame(1, GUEST, sender_ip=b"\0" * 4),
    "ip: time to live 0": packet(ipv4(icmp(8), ICMP, ttl=0)),
    "ip: own address as source": ask(source=GUEST),
    "ip: loopback address as source": ask(source=LOOPBACK),
    "ip: options": packet(ipv4(icmp(8), ICMP, options=option(7, 7, 4, 0, 0, 0, 0))),
    "ip: source route": packet(ipv4(icmp(8), ICMP, options=option(131, 7, 4, *STRANGER))),
    "ip: option of length 0": packet(ipv4(icmp(8), ICMP, options=option(7, 0, 0, 0))),
    "ip: option beyond the header": packet(ipv4(icmp(8), ICMP, options=option(7, 200, 4, 0))),
    "icmp: echo of 1400 bytes": packet(ipv4(icmp(8, payload=b"x" * 1400), ICMP)),
    "icmp: echo to everybody": packet(ipv4(icmp(8), ICMP, destination=EVERYBODY)),
    "icmp: unreachable about a connection that is not": packet(
        ipv4(icmp(3, 4, b"\0\0\0\0", ipv4(syn(), TCP, source=GUEST, destination=PEER)[:28]), ICMP)
    ),
    "icmp: unreachable with nothing in it": packet(ipv4(icmp(3, 1), ICMP)),
    "udp: length below the header": packet(ipv4(udp(9, 9, b"data", length=7), UDP)),
    "udp: length beyond the packet": packet(ipv4(udp(9, 9, b"data", length=5000), UDP)),
    "udp: length 65535": packet(ipv4(udp(9, 9, b"data", length=65535), UDP)),
    "tcp: no flags": packet(ipv4(tcp(PORT, 80, 1, 0, 0), TCP)),
    "tcp: all flags": packet(ipv4(tcp(PORT, 80, 1, 0, 0xFF), TCP)),
    "tcp: SYN and FIN": packet(ipv4(tcp(PORT, 80, 1, 0, SYN | FIN), TCP)),
    "tcp: SYN and RST": packet(ipv4(tcp(PORT, 80, 1, 0, SYN | RST), TCP)),
    "tcp: reset out of nowhere": packet(ipv4(tcp(PORT, 80, 1, 1, RST), TCP)),
    "tcp: urgent pointer beyond the data": packet(ipv4(tcp(PORT, 80, 1, 0, SYN | URG, urgent=65535), TCP)),
    "tcp: SYN with data": packet(ipv4(tcp(PORT, 80, 1, 0, SYN, b"GET / HTTP/1.1\r\n"), TCP)),
    "tcp: from port 0": packet(ipv4(tcp(0, 80, 1, 0, SYN), TCP)),
    "tcp: option of length 0": packet(ipv4(syn(options=option(2, 0)), TCP)),
    "tcp: option of length 1": packet(ipv4(syn(options=option(3, 1)), TCP)),
    "tcp: option beyond the header": packet(ipv4(syn(options=option(2, 40)), TCP)),
    "tcp: segment size 0": packet(ipv4(syn(options=option(2, 4, 0, 0)), TCP)),
    "tcp: segment size 1": packet(ipv4(syn(options=option(2, 4, 0, 1)), TCP)),
    "tcp: window scale 255": packet(ipv4(syn(options=option(3, 3, 255)), TCP)),
    "tcp: 40 bytes of options": packet(ipv4(syn(options=option(*[1] * 40)), TCP)),
    "tcp: window 0": packet(ipv4(syn(window=0), TCP)),
}

# What is too long or too short for a frame is the driver's to drop.
UNFRAMED = {
    "one byte": b"\x52",
    "no type": MAC + PEER_MAC,
    "longer than the MTU": packet(ipv4(icmp(8, payload=b"x" * 1473), ICMP)),
    "9000 bytes": packet(ipv4(icmp(8, payload=b"x" * 9000), ICMP)),
    "64 KiB": b"\xff" * 65000,
}


@contextlib.contextmanager
def wire_to(combination, path):
    """A link to a machine of that combination, at the other end of which the tests are."""
    with Wire(path) as link:
        static = ["--set", "tcpip.dhcp=0", "--set", "tcpip.address=10.9.0.2/24"]
        with Machine(*arguments_of(combination), "--net", f"unix:{path}", *static):
            link.find_guest()
            assert link.guest_mac == MAC
            yield link


@pytest.fixture(scope="module", params=EITHER)
def wire(request, tmp_path_factory):
    with wire_to(request.param, tmp_path_factory.mktemp("wire") / "eth0") as link:
        yield link



def exchange(wire, frame):
    """What the machine sends because of a frame: everything until it answers an echo that was sent after it."""
    question = icmp(8, rest=b"mark")
    seen = []

    def is_mark(it):
        seen.append(it)
        return it.protocol == ICMP and it.payload[0] == 0 and it.payload[4:8] == b"mark"

    wire.send(frame)
    wire.send_ip(ipv4(question, ICMP))
    wire.packet(is_mark)
    return seen[:-1]


# --- One by one, on two machines ---


@pytest.mark.parametrize("name", DROPPED)
def test_malformed_frame_is_dropped_and_counted(wire, name):
    before = wire.status()["frames_dropped"]
    assert exchange(wire, DROPPED[name]) == []
    assert wire.status()["frames_dropped"] == before + 1


@pytest.mark.parametrize("name", REFUSED)
def test_unwanted_frame_is_refused(wire, name):
    frame, expected = REFUSED[name]
    (answer,) = exchange(wire, frame)
    assert (answer.flags if answer.protocol == TCP else tuple(answer.payload[:2])) == expected
    assert wire.get("/")


@pytest.mark.parametrize("name", ODD)
def test_odd_frame_does_no_harm(wire, name):
    exchange(wire, ODD[name])
    assert wire.get("/").startswith(b"<!doctype html>")


@pytest.mark.parametrize("name", UNFRAMED)
def test_what_is_no_frame_does_no_harm(wire, name):
    assert exchange(wire, UNFRAMED[name]) == []
    assert wire.get("/")


UNSOUND_IP = (
    {"header_checksum": 0x1234},
    {"length": 1000},
    {"length": 39},
    {"version": 5},
    {"words": 4},
    {"fragment": 0x2000},  # more follow
    {"fragment": 1},
    {"destination": STRANGER},
)


def test_wrong_segments_of_a_connection_do_not_disturb_it(wire):
    connection = wire.connect()
    for broken in (
        connection.packet(ACK, b"x", offset=-1),  # received before
        connection.packet(ACK, b"x", offset=1 << 20),  # beyond the window
        connection.packet(ACK, b"x", offset=-(1 << 30)),
        connection.packet(ACK, acknowledged=connection.expected + 1000),  # never sent
        connection.packet(ACK, acknowledged=connection.expected - 1000),
        connection.packet(RST, offset=1 << 20),  # RFC 5961: outside the window
        connection.packet(SYN, offset=1 << 20),
        connection.packet(SYN),  # RFC 5961: a challenge, no reset
        connection.packet(ACK, b"later", offset=100),  # out of order
        connection.packet(ACK, b"x", value=0x1234),
        connection.packet(URG | ACK, urgent=9),
        *(connection.packet(PSH | ACK, b"x", ip=fields) for fields in UNSOUND_IP),
    ):
        wire.send_ip(broken)
    connection.send(b"GET /api/nothing HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    assert connection.receive_all().startswith(b"HTTP/1.1 404 ")


def test_unsound_segments_of_a_connection_are_counted(wire):
    connection = wire.connect()
    before = wire.status()["frames_dropped"]
    for fields in UNSOUND_IP:
        wire.send_ip(connection.packet(PSH | ACK, b"x", ip=fields))
    assert wire.status()["frames_dropped"] == before + len(UNSOUND_IP)


def test_odd_segments_of_a_connection_are_received(wire):
    """With IP options, with bytes behind the packet, and plain."""
    connection = wire.connect()
    pieces = (
        (b"GET /api/nothing HTTP/1.1\r\n", {"options": option(7, 11, 4)}, b""),
        (b"Host: t\r\n", {}, b"?" * 20),
        (b"Connection: close\r\n\r\n", {}, b""),
    )
    for text, fields, behind in pieces:
        wire.send_ip(connection.packet(PSH | ACK, text, ip=fields) + behind)
        connection.sequence += len(text)
    assert connection.receive_all().startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("wire", ["user-microvm-1"], indirect=True)  # level-triggered, and no interrupts between CPUs
def test_one_frame_is_one_interrupt(wire):
    """A line that is opened while its device still asserts it interrupts again, with nothing to say."""
    frames, others = 200, 50  # those of asking for the counters

    def device_interrupts():
        status = wire.status()
        return status["interrupts"] - status["timer_interrupts"]

    before = device_interrupts()
    for number in range(frames):
        wire.echo(number)
    assert frames * 0.5 < device_interrupts() - before < frames + others


def test_random_frames_do_no_harm(wire):
    send_random_frames(wire, 3000)


def send_random_frames(wire, total):
    generator = random.Random(9)
    valid = [packet(ipv4(syn(), TCP)), packet(ipv4(icmp(8, payload=b"x" * 99), ICMP)), packet(ipv4(udp(9, 9, b"abc"), UDP)), arp_frame(1, GUEST)]
    for count in range(total):
        frame = bytearray(generator.choice(valid))
        for _ in range(generator.randrange(1, 5)):
            frame[generator.randrange(12, len(frame))] = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
        wire.send(bytes(frame[: generator.choice((len(frame), generator.randrange(14, len(frame))))]))
        if count % 100 == 99:
            wire.echo(count)
    wire.send(arp_frame(1, GUEST))  # a mutated frame may have moved the peer's address
    assert wire.get("/")


# --- All of them, in every combination ---


@pytest.mark.parametrize("combination", [item for item in COMBINATIONS if item not in EITHER])
def test_all_frames(combination, tmp_path):
    with wire_to(combination, tmp_path / "eth0") as wire:
        before = wire.status()["frames_dropped"]
        assert [name for name in DROPPED if exchange(wire, DROPPED[name])] == []
        assert wire.status()["frames_dropped"] == before + len(DROPPED)
        for name, (frame, expected) in REFUSED.items():
            (answer,) = exchange(wire, frame)
            assert (answer.flags if answer.protocol == TCP else tuple(answer.payload[:2])) == expected, name
        for frame in [*ODD.values(), *UNFRAMED.values()]:
            exchange(wire, frame)
        test_wrong_segments_of_a_connection_do_not_disturb_it(wire)
        send_random_frames(wire, 500)


# --- DHCP ---

MAGIC = b"\x63\x82\x53\x63"
OFFER, DHCP_ACK, NAK = 2, 5, 6
LEASE = bytes([51, 4, 0, 0, 14, 16]) + bytes([1, 4, 255, 255, 255, 0]) + bytes([3, 4]) + PEER + bytes([54, 4]) + PEER


def dhcp(transaction, kind, *, operation=2, sizes=b"\1\6\0", address=GUEST, mac=MAC, magic=MAGIC, options=LEASE + b"\xff"):
    head = bytes([operation]) + sizes + transaction + struct.pack("!HH", 0, 0) + b"\0" * 4 + address + PEER + b"\0" * 4
    message = head + mac.ljust(16, b"\0") + b"\0" * 192 + magic + bytes([53, 1, kind]) + options
    return ethernet(ipv4(udp(67, 68, message, destination=EVERYBODY), UDP, destination=EVERYBODY), BROADCAST)


def wrong_replies(transaction, kind):
    stranger = {"address": STRANGER}  # what the machine would have if it took one of them
    good = dhcp(transaction, kind, **stranger)
    yield dhcp(b"\1\2\3\4", kind, **stranger)
    yield dhcp(b"\1\2\3\4", NAK)
    yield dhcp(transaction, kind, operation=1, **stranger)
    yield dhcp(transaction, kind, mac=PEER_MAC, **stranger)
    yield dhcp(transaction, kind, magic=b"\0" * 4)  # lwIP reads on
    yield dhcp(transaction, kind, options=bytes([54, 255]) + PEER, **stranger)
    yield dhcp(transaction, kind, options=bytes([1, 200, 255]), **stranger)
    yield dhcp(transaction, kind, options=bytes([51]), **stranger)
    yield dhcp(transaction, 99, **stranger)
    for length in (42, 43, 100, 200, 277, 281):  # bytes of the frame: cut off in each of its parts
        yield good[:length]
    for length in (0, 1, 100, 236, 239):  # well-formed datagrams with a part of a message
        part = good[42 : 42 + length]
        yield ethernet(ipv4(udp(67, 68, part, destination=EVERYBODY), UDP, destination=EVERYBODY), BROADCAST)


def serve_dhcp(wire, is_over):
    """Answers each question with malformed replies, then a correct one."""
    while not is_over.is_set():
        frame = wire.receive(0.1)
        is_question = frame and frame[12:14] == b"\x08\0" and frame[23] == UDP and frame[36:38] == b"\0\x43"
        if is_question:
            transaction, kind = frame[46:50], OFFER if frame[284] == 1 else DHCP_ACK
            for reply in wrong_replies(transaction, kind):
                wire.send(reply)
            wire.send(dhcp(transaction, kind))


def test_malformed_dhcp_replies_are_ignored(tmp_path):
    path, is_over = tmp_path / "eth0", threading.Event()
    with Wire(path) as link:
        server = threading.Thread(target=serve_dhcp, args=(link, is_over))
        server.start()
        try:
            with Machine("--net", f"unix:{path}") as machine:
                is_over.set()
                server.join()
                machine.wait_for(r"tcpip: address 10\.9\.0\.2/24, gateway 10\.9\.0\.1")
                assert link.get("/")
        finally:
            is_over.set()
            server.join()
