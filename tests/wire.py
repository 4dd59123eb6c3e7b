"""The other end of a virtual machine's Ethernet link: frames made by hand, and just enough TCP to ask for a page."""

import itertools
import json
import socket
import struct
import time

PEER_MAC, BROADCAST = bytes.fromhex("020000000001"), b"\xff" * 6
PEER, GUEST, STRANGER = (socket.inet_aton(text) for text in ("10.9.0.1", "10.9.0.2", "10.9.0.77"))
ETHERTYPE_IPV4, ETHERTYPE_ARP = 0x0800, 0x0806
ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
FRAME_MAX = 65536


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(payload, destination, source=PEER_MAC, ethertype=ETHERTYPE_IPV4):
    return destination + source + struct.pack("!H", ethertype) + payload


def arp(
    operation, target_ip, *, sender_ip=PEER, sender_mac=PEER_MAC, target_mac=b"\0" * 6,
    hardware=1, protocol=ETHERTYPE_IPV4, hardware_size=6, protocol_size=4,
):  # fmt: skip
    sizes = struct.pack("!HHBBH", hardware, protocol, hardware_size, protocol_size, operation)
    return sizes + sender_mac + sender_ip + target_mac + target_ip


def ipv4(
    payload, protocol, *, source=PEER, destination=GUEST, version=4, words=None, options=b"", length=None, identifier=1,
    fragment=0, ttl=64, header_checksum=None,
):  # fmt: skip
    words = 5 + len(options) // 4 if words is None else words
    length = 20 + len(options) + len(payload) if length is None else length

    def header(value):
        start = struct.pack("!BBHHHBBH", version << 4 | words, 0, length, identifier, fragment, ttl, protocol, value)
        return start + source + destination + options

    return header(checksum(header(0)) if header_checksum is None else header_checksum) + payload


def with_checksum(segment, offset, protocol, source, destination, value=None):
    """Fills in the checksum of a TCP segment or UDP datagram."""
    pseudo = source + destination + struct.pack("!BBH", 0, protocol, len(segment))
    value = checksum(pseudo + segment) if value is None else value
    return segment[:offset] + struct.pack("!H", value) + segment[offset + 2 :]


def tcp(
    source_port, port, sequence, acknowledged, flags, payload=b"", *, words=None, options=b"", window=65535, urgent=0,
    source=PEER, destination=GUEST, value=None,
):  # fmt: skip
    words = 5 + len(options) // 4 if words is None else words
    header = struct.pack("!HHIIBBHHH", source_port, port, sequence, acknowledged, words << 4, flags, window, 0, urgent)
    return with_checksum(header + options + payload, 16, TCP, source, destination, value)


def udp(source_port, port, payload=b"", *, length=None, source=PEER, destination=GUEST, value=None):
    length = 8 + len(payload) if length is None else length
    datagram = struct.pack("!HHHH", source_port, port, length, 0) + payload
    return with_checksum(datagram, 6, UDP, source, destination, value)


def icmp(kind, code=0, rest=b"\0\1\0\1", payload=b"", value=None):
    message = struct.pack("!BBH", kind, code, 0) + rest + payload
    return message[:2] + struct.pack("!H", checksum(message) if value is None else value) + message[4:]


class Packet:
    """A received IPv4 packet, taken apart."""

    def __init__(self, frame):
        size = (frame[14] & 15) * 4
        self.protocol, self.source, self.destination = frame[23], frame[26:30], frame[30:34]
        self.payload = frame[14 + size : 14 + int.from_bytes(frame[16:18], "big")]
        if self.protocol in (TCP, UDP):
            self.source_port, self.port = struct.unpack("!HH", self.payload[:4])
        if self.protocol == TCP:
            self.sequence, self.acknowledged, words, self.flags = struct.unpack("!IIBB", self.payload[4:14])
            self.data = self.payload[(words >> 4) * 4 :]


class Wire:
    """Frames to and from a machine that runs with `--net unix:PATH`."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{path}.peer")
        self.guest_mac = None
        self.address = PEER
        self.ports = itertools.cycle(range(20000, 60000))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def send(self, frame):
        self.socket.sendto(frame, self.path)

    def send_ip(self, packet):
        self.send(ethernet(packet, self.guest_mac or BROADCAST))

    def receive(self, timeout):
        """The next frame, None after `timeout` seconds. Answers whoever asks for the peer's address."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame = self.socket.recv(FRAME_MAX)
            except TimeoutError:
                return None
            self.guest_mac = frame[6:12]
            is_question = frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == self.address
            if is_question:
                reply = arp(2, frame[28:32], sender_ip=self.address, target_mac=self.guest_mac)
                self.send(ethernet(reply, self.guest_mac, ethertype=ETHERTYPE_ARP))
            return frame
        return None

    def packet(self, wanted, timeout=20):
        """The next IPv4 packet that is wanted; what comes before it is thrown away."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            frame = self.receive(left)
            if frame and frame[12:14] == b"\x08\0" and wanted(packet := Packet(frame)):
                return packet
        raise AssertionError(f"the wanted packet did not come within {timeout} s")

    def find_guest(self):
        """Learns the guest's address by ARP."""
        self.send(ethernet(arp(1, GUEST), BROADCAST, ethertype=ETHERTYPE_ARP))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            frame = self.receive(1)
            if frame and frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2":
                return
        raise AssertionError("the machine does not answer ARP")

    def echo(self, identifier):
        """One ICMP echo that must be answered."""
        question = icmp(8, rest=struct.pack("!HH", identifier, 1), payload=b"are you there?")
        self.send_ip(ipv4(question, ICMP))
        self.packet(lambda it: it.protocol == ICMP and it.payload[0] == 0 and it.payload[4:] == question[4:])

    def connect(self, port=80):
        return Connection(self, next(self.ports), port)

    def get(self, path):
        """A response's body, over a connection of our own."""
        connection = self.connect()
        connection.send(f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
        head, _, body = connection.receive_all().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return body

    def status(self):
        return json.loads(self.get("/api/status"))


class Connection:
    """A TCP connection to the guest. The link loses nothing, so nothing is sent twice."""

    def __init__(self, wire, source_port, port):
        self.wire, self.source_port, self.port = wire, source_port, port
        self.sequence, self.expected = 1000, 0
        self.segment(SYN)
        answer = self.next()
        assert answer.flags == SYN | ACK
        self.sequence, self.expected = self.sequence + 1, (answer.sequence + 1) % 2**32
        self.segment(ACK)

    def packet(self, flags, payload=b"", *, offset=0, acknowledged=None, ip=None, **fields):
        acknowledged = self.expected if acknowledged is None else acknowledged % 2**32
        sequence = (self.sequence + offset) % 2**32
        return ipv4(tcp(self.source_port, self.port, sequence, acknowledged, flags, payload, **fields), TCP, **(ip or {}))

    def segment(self, flags, payload=b""):
        self.wire.send_ip(self.packet(flags, payload))

    def send(self, data):
        self.segment(PSH | ACK, data)
        self.sequence += len(data)

    def next(self, timeout=20):
        return self.wire.packet(lambda it: it.protocol == TCP and it.port == self.source_port, timeout)

    def receive_all(self):
        """Everything until the guest closes, in order; closes too."""
        received = b""
        while True:
            segment = self.next()
            assert not segment.flags & RST, "reset"
            if segment.sequence == self.expected:
                received += segment.data
                self.expected = (self.expected + len(segment.data)) % 2**32
                if segment.flags & FIN:
                    self.expected = (self.expected + 1) % 2**32
                    self.close()
                    return received
            if segment.data:
                self.segment(ACK)

    def close(self):
        """Ends the connection, after the guest has ended its half."""
        self.segment(FIN | ACK)
        self.sequence += 1
        self.wire.packet(lambda it: it.protocol == TCP and it.port == self.source_port and it.acknowledged == self.sequence)
