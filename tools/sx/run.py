"""sx run: builds a system, runs it in QEMU, shows its console, and leaves no process behind."""

import argparse
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import qemu
from advice import Advice, remedy
from paths import ROOT, output, shown
from ui import Fail, say

PR_SET_PDEATHSIG = 1
INTERFACE_NAME_MAX = 15
ENDING = (signal.SIGTERM, signal.SIGHUP)  # as Ctrl-C
BOOTED = "booted in"  # what the kernel says once every component serves
SOCKET_PATH_MAX = 107 - len(qemu.PEER)


def bounded(low, high):
    def convert(text):
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from {low} to {high}")
        return int(text)

    return convert


def network(text):
    kind, _, name = text.partition(":")
    limits = {"tap": INTERFACE_NAME_MAX, "unix": SOCKET_PATH_MAX}
    if text != "user" and not 0 < len(name.encode()) <= limits.get(kind, 0):
        raise argparse.ArgumentTypeError(f"'{text}' is none of 'user', 'tap:INTERFACE' and 'unix:PATH'")
    return text


def add_arguments(parser):
    add = parser.add_argument
    add("--system", default="web", metavar="NAME", help="what to run: systems/NAME.toml (default: web)")
    add("--port", type=bounded(1, 65535), default=8080, help="port of this machine that leads to the guest's port 80")
    add("--machine", choices=sorted(qemu.MACHINES), default="microvm", help="kind of machine (default: microvm)")
    add("--cpus", type=bounded(1, 8), default=1, metavar="N", help="1 to 8 (default: 1)")
    add("--cpu", default="max", metavar="MODEL", help="QEMU's CPU model (default: max)")
    add("--memory", type=bounded(8, 65536), default=64, metavar="MIB", help="RAM in MiB (default: 64)")
    add("--isolate", action="append", default=[], metavar="PATTERN=MODE", help="isolation of components: user or kernel")
    add("--set", action="append", default=[], metavar="NAME.KEY=VALUE", help="configuration of a component")
    add("--net", type=network, default="user", metavar="user|tap:IFNAME|unix:PATH", help="how the network is reached")
    add("--trace", metavar="FILE", help="write a trace for ui.perfetto.dev when the machine ends")
    add("--gdb", action="store_true", help=f"wait for a debugger on port {qemu.GDB_PORT}")
    add("--icount", action="store_true", help="count instructions as time; one CPU")
    add("--debug", action="store_true", help="with checks for undefined behaviour")
    add("--dry-run", action="store_true", help="print the QEMU command and start nothing")
    add("--yes", action="store_true", help="install what is missing without asking")


def load_system(name):
    import system
    import tree

    return system.load(name, tree.load().components)


def check_port(port, option="sx run --port"):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Fail(f"port {port} can't be used ({error.strerror}); choose another: {option} {port + 1}") from None


def check_interface(name):
    if not Path("/sys/class/net", name).exists():
        raise Fail(f"no network interface '{name}'; make it: ip tuntap add dev {name} mode tap && ip link set {name} up")


def check_peer(path):
    if not Path(path + qemu.PEER).is_socket():
        raise Fail(f"nothing is bound to '{path}{qemu.PEER}'; make that datagram socket first: frames for it go there")


def check_gdb():
    try:
        check_port(qemu.GDB_PORT)
    except Fail:
        raise Fail(f"--gdb: port {qemu.GDB_PORT} is busy; end what listens there, perhaps another sx run --gdb") from None


def check_trace(path):
    """It is written when the machine has ended: too late to learn that it can't be."""
    existed = Path(path).exists()
    try:
        open(path, "ab").close()
    except OSError as error:
        raise Fail(f"--trace {path}: can't be written ({error.strerror}); choose another file") from None
    if not existed:
        Path(path).unlink()


def check_network(options):
    kind, _, name = options.net.partition(":")
    if kind == "user":
        check_port(options.port)
    elif kind == "tap":
        check_interface(name)
    else:
        check_peer(name)


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command, complaints):
    # A session of its own: Ctrl-C reaches sx alone, which then ends QEMU in order.
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True,
        preexec_fn=die_with_parent,
    )  # fmt: skip


def stop(machine):
    # It keeps nothing that would have to be saved, and SIGTERM would make it say so.
    machine.kill()
    machine.wait()


def follow(machine, symbolizer, advice):
    """Shows the console until the machine ends. Says whether it printed anything."""
    printed = False
    for raw in machine.stdout:
        line = raw.decode(errors="replace").rstrip("\r\n")
        say(symbolizer.line(line))
        printed = True
        if more := advice.after(line, is_booted="] kernel: " + BOOTED in line):
            say(more)
    return printed


def exit_code(status, printed, complaints):
    """What the guest wrote to isa-debug-exit: QEMU ends with twice that plus one."""
    complaints.seek(0)
    said = complaints.read().decode(errors="replace")
    if not printed:
        raise Fail(remedy(said))
    sys.stderr.write(said)
    return status >> 1 if status > 0 else 0


def on_sigterm(number, frame):
    raise KeyboardInterrupt


def run_machine(options, system, command):
    from symbolize import Symbolizer, elf_files

    symbolizer = Symbolizer(elf_files(system, options.debug))
    complaints = tempfile.TemporaryFile()
    machine = start(command, complaints)
    try:
        printed = follow(machine, symbolizer, Advice(system, options))
        return exit_code(machine.wait(), printed, complaints)
    except KeyboardInterrupt:
        return 130
    finally:
        for number in (signal.SIGINT, *ENDING):
            signal.signal(number, signal.SIG_IGN)
        stop(machine)
        symbolizer.close()


def prepare(options, system):
    """Everything that must be there before the machine starts."""
    import build
    import setup

    setup.ensure("run", options.yes)
    if "net" in system.devices:
        check_network(options)
    if options.gdb:
        check_gdb()
    if options.trace:
        check_trace(options.trace)
    build.build([system.name], options.debug, yes=options.yes, quiet=not sys.stdout.isatty())


def main(options):
    if options.icount:
        options.cpus = 1
    system = load_system(options.system)
    if "console" in system.devices:
        raise Fail(f"system '{system.name}' is for one visitor, whom a gateway brings; run: sx serve --system {system.name}")
    image = output(options.debug) / system.name / "starina.elf"
    ram_file = image.parent / f"ram-{os.getpid()}" if options.trace else None
    command = qemu.command(options, system, ram_file)
    if options.dry_run:
        say(qemu.quoted(command))
        return 0
    for number in ENDING:
        signal.signal(number, on_sigterm)
    prepare(options, system)
    if options.gdb:
        say(f"Waiting for: gdb {shown(image)} -ex 'target remote 127.0.0.1:{qemu.GDB_PORT}'")
    try:
        code = run_machine(options, system, command)
        if options.trace:
            import trace

            trace.save(ram_file, image, options.trace)
        return code
    finally:
        if options.trace:
            ram_file.unlink(missing_ok=True)
