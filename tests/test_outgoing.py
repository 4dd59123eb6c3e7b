"""A component inside asks servers outside: it looks names up, connects over TCP and sends datagrams."""

import socket
import struct
import threading

import pytest
from vm import Machine

HOST = socket.inet_aton("10.0.2.2")  # as the guest sees the host of user networking


class Servers(threading.Thread):
    """Answers in capitals, over TCP and UDP at the same port, and as a name server that knows one name at another."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.name_known, self.questions = name, []
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp, self.dns = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.udp.bind(("127.0.0.1", self.port))
        self.dns.bind(("127.0.0.1", 0))
        self.dns_port = self.dns.getsockname()[1]

    def run(self):
        for serve in (self.serve_tcp, self.serve_udp, self.serve_dns):
            threading.Thread(target=serve, daemon=True).start()

    def serve_tcp(self):
        while self.tcp.fileno() >= 0:
            connection, _ = self.tcp.accept()
            with connection:
                received = b""
                while part := connection.recv(4096):
                    received += part
                connection.sendall(received.upper())

    def serve_udp(self):
        while True:
            data, sender = self.udp.recvfrom(4096)
            self.udp.sendto(data.upper(), sender)

    def serve_dns(self):
        while True:
            question, sender = self.dns.recvfrom(4096)
            end = question.index(b"\0", 12)
            labels, at = [], 12
            while at < end:
                labels.append(question[at + 1 : at + 1 + question[at]].decode())
                at += 1 + question[at]
            self.questions.append(".".join(labels))
            is_known = self.questions[-1] == self.name_known
            header = question[:2] + struct.pack("!HHHHH", 0x8180 if is_known else 0x8183, 1, int(is_known), 0, 0)
            answer = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + HOST if is_known else b""
            self.dns.sendto(header + question[12 : end + 5] + answer, sender)


def visit(servers, mode, host):
    chaos = {"act": "visit", "host": host, "port": servers.port, "after_ms": 1500}
    settings = [word for key, value in chaos.items() for word in ("--set", f"chaos.{key}={value}")]
    return Machine("--isolate", f"*={mode}", "--set", f"tcpip.dns=10.0.2.2:{servers.dns_port}", *settings)


@pytest.mark.parametrize("mode", ["user", "kernel"])
@pytest.mark.parametrize("host", ["starina.test", "10.0.2.2"])
def test_servers_outside_are_reached(host, mode):
    servers = Servers("starina.test")
    servers.start()
    with visit(servers, mode, host) as machine:
        machine.wait_for(r"chaos: visit: found 0a000202: OK", 40)
        machine.wait_for(r"chaos: visit: tcp says HELLO FROM A GUEST")
        machine.wait_for(r"chaos: visit: udp says HELLO FROM A GUEST")
        machine.wait_for(r"chaos: visit: tcp OK, udp OK")
        assert machine.get()
    assert set(servers.questions) == ({host} if host == "starina.test" else set())


def test_a_name_that_is_not_known_is_not_found():
    servers = Servers("starina.test")
    servers.start()
    with visit(servers, "user", "nobody.test") as machine:
        machine.wait_for(r"chaos: visit: found 00000000: ERR_NOT_FOUND")
        machine.wait_for(r"chaos: visit: tcp ERR_NOT_FOUND, udp ERR_NOT_FOUND")


def test_a_port_where_nobody_listens_refuses():
    servers = Servers("starina.test")
    servers.tcp.close()
    servers.start()
    with visit(servers, "user", "starina.test") as machine:
        machine.wait_for(r"chaos: visit: tcp ERR_REFUSED", 40)
