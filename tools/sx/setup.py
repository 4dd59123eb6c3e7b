"""First-use set-up: finds out which Debian packages are missing and installs them, asking first."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

from ui import Fail, progress, progress_end, say


@dataclass
class Need:
    package: str
    purpose: str
    probe: str  # a command, or an absolute path that exists when it is installed


BUILD = [
    Need("clang-19", "compiles everything", "clang-19"),
    Need("lld-19", "links everything", "ld.lld-19"),
    Need("llvm-19", "archives, strips, symbolizes", "llvm-symbolizer-19"),
    Need("ninja-build", "runs the build graph", "ninja"),
    Need("meson", "configures picolibc", "meson"),
    Need("dpkg", "unpacks Debian packages", "dpkg-deb"),
    Need("xz-utils", "unpacks source tarballs", "xz"),
]
RUN = [
    Need("qemu-system-x86", "runs the virtual machine", "qemu-system-x86_64"),
    Need("qemu-system-data", "its fast firmware", "/usr/share/qemu/qboot.rom"),
]
LOAD = [
    Need("wrk", "loads web servers", "wrk"),
    Need("iproute2", "makes tap networks and namespaces, as root", "ip"),
]
UNIT = [
    Need("libclang-rt-19-dev", "sanitizers of the unit tests", "/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.asan-x86_64.a"),
]
TEST = [
    Need("python3-pytest", "runs the whole-system tests", "pytest-3"),
    Need("clang-format-19", "checks the C code's format", "clang-format-19"),
    Need("clang-tidy-19", "finds mistakes in the C code", "clang-tidy-19"),
    Need("spin", "checks the model of the rings", "spin"),
    Need("curl", "asks the virtual machine for pages", "curl"),
    Need("slowhttptest", "attacks the gateway slowly", "slowhttptest"),
    Need("chromium", "renders the page", "chromium"),
]
PEERS = [
    Need("gcc", "compiles the Linux peers", "gcc"),
    Need("libc6-dev", "links the lean peer's nginx", "/usr/include/stdlib.h"),
    Need("make", "builds the Linux peers", "make"),
    Need("flex", "builds the lean peer's kernel", "flex"),
    Need("bison", "builds the lean peer's kernel", "bison"),
    Need("bc", "builds the lean peer's kernel", "bc"),
    Need("libelf-dev", "builds the lean peer's kernel", "/usr/include/libelf.h"),
]
GROUPS = {
    "build": BUILD,
    "run": BUILD + RUN,
    "unit": BUILD + UNIT,
    "test": BUILD + RUN + UNIT + LOAD + TEST,
    "bench": BUILD + RUN + LOAD,
    "peers": BUILD + RUN + LOAD + PEERS,
}


def is_present(need):
    return os.path.exists(need.probe) if need.probe.startswith("/") else shutil.which(need.probe) is not None


def missing(group):
    return [need for need in GROUPS[group] if not is_present(need)]


def install_command(packages):
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    return [*prefix, *environment, "apt-get", "install", "--yes", "--no-install-recommends", *packages]


def by_hand(packages):
    return f"{'' if os.geteuid() == 0 else 'sudo '}apt-get install --no-install-recommends {' '.join(packages)}"


def confirm(packages, yes):
    if yes or os.environ.get("CI"):
        return
    if not sys.stdin.isatty():
        raise Fail(f"missing packages; repeat with --yes, or run: {by_hand(packages)}")
    if input("Install them now? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Fail(f"nothing was installed; to do it yourself, run: {by_hand(packages)}")


def run_apt(command):
    """Runs apt-get and shows what it does on one line. Returns its output and exit code."""
    output = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as apt:
        for line in apt.stdout:
            output.append(line.rstrip())
            if line.startswith(("Get:", "Unpacking ", "Setting up ", "Hit:")):
                progress(line.strip())
    progress_end()
    return output, apt.returncode


def install(packages):
    update = [*([] if os.geteuid() == 0 else ["sudo"]), "apt-get", "update"]
    run_apt(update)
    output, code = run_apt(install_command(packages))
    if code != 0:
        reason = next((line for line in output if line.startswith("E:")), f"apt-get ended with {code}")
        raise Fail(f"installing failed ({reason}); check the network, then run: {by_hand(packages)}")


def ensure(group, yes=False):
    """Makes sure that everything a group of commands needs is installed."""
    absent = missing(group)
    if not absent:
        return
    packages = [need.package for need in absent]
    if shutil.which("apt-get") is None:
        raise Fail(f"this is not Debian: install what these Debian packages contain: {' '.join(packages)}")
    say("Starina needs these Debian packages, which are not installed:")
    for need in absent:
        say(f"  {need.package:20} {need.purpose}")
    if os.geteuid() != 0 and shutil.which("sudo") is None:
        raise Fail(f"become root and run: {by_hand(packages)}")
    confirm(packages, yes)
    install(packages)
    still = missing(group)
    if still:
        raise Fail(f"{still[0].probe} is missing although {still[0].package} is installed; run: sx doctor")
    say("Installed.")
