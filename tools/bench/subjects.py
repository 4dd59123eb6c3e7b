"""The systems that are measured: how each is started, when it can answer, and what it is asked for."""

import re
import zlib
from pathlib import Path
from types import SimpleNamespace

import linux
import qemu
from network import GUEST, HOST, MASK_BITS
from paths import BUILD, ROOT
from run import BOOTED, load_system

MEMORY_MIB = 128  # of a virtual machine, unless the least is looked for
VISIT_MEMORY_MIB = 8  # what the gateway gives
MODES = ("user", "kernel")
STATIC_ADDRESS = ["tcpip.dhcp=0", f"tcpip.address={GUEST}/{MASK_BITS}", f"tcpip.gateway={HOST}"]  # as the peers have it
QUIET = ["-accel", "tcg", "-cpu", "max", "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
MICROVM = ["-M", "microvm,x-option-roms=off,rtc=on,pit=on,pic=on", "-bios", "qboot.rom", "-serial", "stdio"]
LINUX_WORDS = "console=ttyS0 reboot=t panic=-1 quiet"
LEAN_WORDS = f"ip={GUEST}::{HOST}:255.255.255.0::eth0:off rdinit=/bin/nginx"


def options_of(network, memory, isolate, settings):
    """As `sx run` would have parsed them."""
    return SimpleNamespace(
        isolate=isolate, set=settings, net=network.net, port=network.port, memory=memory, machine="microvm", cpu="max",
        cpus=1, trace=None, gdb=False, icount=False, debug=False,
    )  # fmt: skip


def network_arguments(network):
    return [*qemu.network(network), "-device", "virtio-net-device,netdev=net"]


class Subject:
    """One system: how to start it, from which files, and the paths of a small page and of 1 MiB."""

    memory = MEMORY_MIB
    marker = None  # what its console says once it can answer; without one it is asked again and again
    link = False  # its only connection is a socket (link.py)
    pass_fds = ()  # files of this process that its command, as made last, refers to
    is_frozen = False  # it does not start from its first instruction, and its memory is given

    def __init__(self, name, title, images, small, large=None):
        self.name, self.title, self.images, self.small, self.large = name, title, images, small, large

    def image_bytes(self):
        """(size of what it boots from, the same compressed)."""
        contents = [Path(image).read_bytes() for image in self.images]
        return sum(map(len, contents)), sum(len(zlib.compress(content, 9)) for content in contents)


class Floor(Subject):
    """QEMU with a bare program in place of an operating system (tools/bench/floor)."""

    marker = b"READY"

    def __init__(self):
        super().__init__("floor", "QEMU's floor", [BUILD / "bench/floor.elf"], "/")

    def command(self, network, memory):
        machine = [word.replace(",rtc", ",acpi=off,rtc") for word in MICROVM]
        return [qemu.PROGRAM, *machine, *QUIET, "-m", str(memory), *network_arguments(network), "-kernel", str(self.images[0])]


class Starina(Subject):
    marker = BOOTED.encode()

    def __init__(self, mode, system, small="/", large=None, name="starina", title="Starina"):
        image = BUILD / system / "starina.elf"
        super().__init__(f"{name}-{mode}", f"{title}, {mode} mode", [image], small, large)
        self.mode, self.system = mode, load_system(system)

    def command(self, network, memory):
        return qemu.command(options_of(network, memory, [f"*={self.mode}"], STATIC_ADDRESS), self.system)


class Visit(Starina):
    """What the gateway boots: no network card, one connection over a socket."""

    link = True
    memory = VISIT_MEMORY_MIB

    def __init__(self, mode):
        super().__init__(mode, "visit")

    def command(self, network, memory):
        return qemu.visit_command(options_of(network, memory, [f"*={self.mode}"], []), self.system)


def host_khz():
    """The TSC's speed, which spares Linux measuring it."""
    found = re.search(r"^cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return round(float(found[1]) * 1000) if found else None


class Linux(Subject):
    marker = linux.MARKER

    def __init__(self, name, title, images, acpi, words):
        super().__init__(name, title, list(images), linux.SMALL[0], linux.LARGE[0])
        khz = host_khz()
        self.machine = [word.replace(",rtc", f",acpi={acpi},rtc") for word in MICROVM]
        self.words = " ".join([LINUX_WORDS, *([f"tsc_early_khz={khz}"] if khz else []), *words])

    def command(self, network, memory):
        kernel, initramfs = (str(image) for image in self.images)
        machine = [qemu.PROGRAM, *self.machine, *QUIET, "-m", str(memory), *network_arguments(network)]
        return [*machine, "-kernel", kernel, "-initrd", initramfs, "-append", self.words]


def lean(pages):
    return Linux("linux-lean", "lean Linux, nginx as init", linux.lean_images(pages), "off", [LEAN_WORDS])


def debian(pages):
    return Linux("linux-debian", "Debian's kernel and nginx", linux.debian_images(pages), "on", [])


def linux_peers(which, pages):
    """The peers of `--peers`."""
    makers = {"none": (), "lean": (lean,), "all": (lean, debian)}[which]
    return [make(pages) for make in makers]


def for_boot(which):
    ours = [Visit(mode) for mode in MODES]
    over_network = Starina("user", "web", name="starina-web", title="Starina with TCP/IP of its own")
    return [Floor(), *ours, over_network, *linux_peers(which, [linux.SMALL])]


def for_web(which):
    ours = [Starina(mode, "bench_web", "/test/2048", "/test/1048576") for mode in MODES]
    return [Floor(), *ours, *linux_peers(which, [linux.SMALL, linux.LARGE])]
