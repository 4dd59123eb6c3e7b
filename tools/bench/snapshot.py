"""A Linux virtual machine that continues from a snapshot, taken when it had answered once: what booting competes with.

Its memory is a file that the restored machine maps privately: only the devices' state is read at once.
"""

import json
import socket
import tempfile
import time
from pathlib import Path

from booting import booted, must_answer
from paths import BUILD
from subjects import Subject
from ui import Fail

TIMEOUT_SECONDS = 60
IGNORE_SHARED = {"capabilities": [{"capability": "x-ignore-shared", "state": True}]}  # memory that is a file stays there


def command(name, **arguments):
    return json.dumps({"execute": name, "arguments": arguments})


class Monitor:
    """QEMU's monitor (QMP) on a socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw")
        self.file.readline()  # its greeting
        self.ask("qmp_capabilities")

    def ask(self, name, **arguments):
        self.file.write(command(name, **arguments))
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise Fail(f"QEMU's monitor: {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.file.close()
        self.socket.close()


class Restored(Subject):
    """`with Restored(subject) as restored:` is that system, as it was after its first answer."""

    is_frozen = True

    def __init__(self, subject):
        super().__init__(f"{subject.name}-restored", f"{subject.title}, from a snapshot", [], subject.small)
        self.subject, self.ends = subject, ()

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="snapshot-", dir=BUILD)
        self.ram, self.state = (Path(self.folder.name, name) for name in ("ram", "state"))
        try:
            self.take()
        except BaseException:
            self.folder.cleanup()
            raise
        return self

    def __exit__(self, *exception):
        self.close_control()
        self.folder.cleanup()

    def ram_file(self, share):
        backend = f"memory-backend-file,id=ram,size={self.memory}M,mem-path={self.ram},share={share}"
        return ["-object", backend, "-machine", "memory-backend=ram"]

    def take(self):
        monitor = Path(self.folder.name, "monitor")
        extra = [*self.ram_file("on"), "-qmp", f"unix:{monitor},server=on,wait=off"]
        with booted(self.subject, extra=extra) as machine:
            must_answer(self.subject, machine)
            control = Monitor(monitor)
            control.ask("migrate-set-capabilities", **IGNORE_SHARED)
            control.ask("migrate", uri=f"exec:cat > {self.state}")
            self.wait(control)
            control.close()

    def wait(self, control):
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (status := control.ask("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise Fail(f"QEMU could not save {self.subject.title}: migration {status}")
            time.sleep(0.02)

    def control(self):
        """The arguments of a monitor that finds its orders waiting."""
        self.close_control()
        self.ends = socket.socketpair()
        source = f"exec:cat {self.state}"
        orders = command("qmp_capabilities"), command("migrate-set-capabilities", **IGNORE_SHARED), command("migrate-incoming", uri=source)
        self.ends[0].sendall("".join(orders).encode())
        self.pass_fds = [self.ends[1].fileno()]
        return ["-chardev", f"socket,id=control,fd={self.pass_fds[0]}", "-mon", "chardev=control,mode=control"]

    def close_control(self):
        for end in self.ends:
            end.close()

    def command(self, network, memory):
        start = self.subject.command(network, self.memory)
        return [*start, *self.ram_file("off"), *self.control(), "-incoming", "defer"]
