"""A virtual machine under measurement: started, its console read, its memory and time told, ended."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from paths import ROOT
from run import die_with_parent
from ui import Fail

CONSOLE_SHOWN = 400  # bytes of the console that an error quotes


class Machine:
    """`with Machine(command) as machine:` is a running QEMU; time counts from just before it is executed."""

    def __init__(self, command, marker=None, pass_fds=()):
        self.command, self.marker, self.pass_fds = command, marker, pass_fds
        self.console = b""
        self.is_over = False
        self.marked = threading.Event()  # the console said the marker, or has ended
        self.cpu_ms = None  # of the whole process, once it has ended

    def __enter__(self):
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=die_with_parent, pass_fds=self.pass_fds, bufsize=0,
        )  # fmt: skip
        self.reader = threading.Thread(target=self.read_console, daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def read_console(self):
        while part := self.process.stdout.read(65536):
            self.console += part
            if self.marker and not self.marked.is_set() and self.marker in self.console:
                self.marked.set()
        self.is_over = True
        self.marked.set()

    def wait_for_marker(self, deadline):
        """Waits until the guest says that it can answer. Says whether it did."""
        self.marked.wait(max(0, deadline - time.monotonic()))
        return self.marked.is_set() and not self.is_over

    def elapsed_ms(self):
        return (time.monotonic() - self.started) * 1000

    def memory_kib(self):
        """(resident, of that anonymous) memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return tuple(int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) for key in ("VmRSS", "RssAnon"))

    def stop(self):
        """Ends it at once: it has nothing to save."""
        if self.cpu_ms is not None:
            return
        os.kill(self.process.pid, signal.SIGKILL)  # Popen's kill() might reap it, and its times would be lost
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        self.reader.join(5)
        self.process.stdout.close()

    def failure(self, name, what):
        text = self.console.decode(errors="replace").strip()[-CONSOLE_SHOWN:]
        state = "it ended" if self.is_over else "it runs"
        return Fail(f"{name} {what} ({state}); its console's end: {text!r}")
