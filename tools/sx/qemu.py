"""The QEMU command line of a virtual machine. docs/sx.md says what the options mean."""

import shlex
from fnmatch import fnmatchcase

from paths import output
from system import ISOLATIONS
from ui import Fail, names

COMMAND_LINE_MAX = 2047  # include/starina/process.h: boot_info_page
GDB_PORT = 1234
VISIT_CODE_MIB = 16  # QEMU's default, 1 GiB of translated code, would be most of a machine's address space
PEER = ".peer"  # of `--net unix:PATH`: where the machine sends its frames
PROGRAM = "qemu-system-x86_64"

# One page holds eight of microvm's virtio-mmio slots; each device gets a page of its own, so that one component's
# registers are never in the page that another one maps.
MMIO_BUS = {"net": "virtio-mmio-bus.16", "rng": "virtio-mmio-bus.8"}
DEVICES = {"net": "virtio-net", "rng": "virtio-rng"}

# No BIOS extensions, no clocks and interrupt controllers of the PC: they are not used, and take time and memory.
MICROVM = "microvm,x-option-roms=off,pit=off,pic=off,rtc=off"
MMIO = ["-bios", "qboot.rom", "-global", "virtio-mmio.force-legacy=false"]
MACHINES = {"microvm": ["-M", MICROVM, *MMIO], "q35": ["-M", "q35"]}
# One CPU and one device, which QEMU tells of on the command line: no ACPI tables are made and read.
VISIT_MACHINE = ["-M", f"{MICROVM},acpi=off", *MMIO]
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


def isolation_words(patterns, system):
    """Resolves `--isolate PATTERN=MODE` to the kernel's word; later patterns win."""
    chosen = {}
    for item in patterns:
        pattern, equals, mode = item.partition("=")
        if not equals:
            raise Fail(f"--isolate {item}: must be PATTERN=MODE, as in '{item or 'hello'}=kernel'")
        if pattern == "init":
            raise Fail(f"--isolate {item}: init is always in user isolation; leave it out")
        matches = [instance.name for instance in system.instances if fnmatchcase(instance.name, pattern)]
        if mode not in ISOLATIONS:
            raise Fail(f"--isolate {item}: the mode must be one of {', '.join(ISOLATIONS)}, as in 'hello=kernel'")
        if not matches:
            known = names(instance.name for instance in system.instances)
            raise Fail(f"--isolate {item}: system '{system.name}' has no such component; it has {known}")
        chosen |= {name: mode for name in matches}
    return ["isolate=" + ",".join(f"{name}:{mode}" for name, mode in chosen.items())] if chosen else []


def setting_word(item, system):
    """Checks `--set NAME.KEY=VALUE`, which the kernel passes on to init as it is."""
    name, dot, rest = item.partition(".")
    key, equals, value = rest.partition("=")
    known = {instance.name: instance.component for instance in system.instances} | {"init": system.init}
    if not dot or not equals or not key or any(character.isspace() for character in item):
        raise Fail(f"--set '{item}': must be NAME.KEY=VALUE without spaces, as in 'http_server.port=81'")
    if name not in known:
        raise Fail(f"--set {item}: system '{system.name}' has no such component; it has {names(known)}")
    known[name].check_setting(f"--set {item}", key, value)
    return item


def kernel_words(options, system):
    words = isolation_words(options.isolate, system)
    words += [setting_word(item, system) for item in options.set]
    words += [word for word in ("trace", "icount") if getattr(options, word, None)]
    line = " ".join(words)
    if len(line.encode()) > COMMAND_LINE_MAX:
        raise Fail(f"the kernel's command line is over {COMMAND_LINE_MAX} bytes; give fewer --isolate and --set")
    return line


def escaped(value):
    """A value in QEMU's lists of options."""
    return value.replace(",", ",,")


def network(options):
    kind, _, name = options.net.partition(":")
    backends = {
        "user": f"user,id=net,hostfwd=tcp:127.0.0.1:{options.port}-:80",
        "tap": f"tap,id=net,ifname={escaped(name)},script=no,downscript=no",
        "unix": "dgram,id=net,local.type=unix,local.path={0},remote.type=unix,remote.path={0}{1}".format(escaped(name), PEER),
    }
    return ["-netdev", backends[kind]]


def devices(options, system):
    arguments = network(options) if "net" in system.devices else []
    for kind in sorted(system.devices & set(DEVICES)):
        backend = ",netdev=net" if kind == "net" else ""
        if options.machine == "microvm":
            arguments += ["-device", f"{DEVICES[kind]}-device{backend},bus={MMIO_BUS[kind]}"]
        else:
            rom = ",romfile=" if kind == "net" else ""
            arguments += ["-device", f"{DEVICES[kind]}-pci{backend},disable-legacy=on{rom}"]
    return arguments


def memory(options, ram_file):
    """RAM in a file outlives QEMU: the trace is read from it."""
    arguments = ["-m", str(options.memory)]
    if ram_file:
        backend = f"memory-backend-file,id=ram,size={options.memory}M,mem-path={escaped(str(ram_file))},share=on"
        arguments += ["-object", backend, "-machine", "memory-backend=ram"]
    return arguments


def base(machine, image, memory):
    """What every machine has: memory, the kernel, a console, a way to end, and nothing else."""
    arguments = [PROGRAM, *machine, *memory, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    arguments += ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
    return arguments + ["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", str(image)]


def append(words):
    return ["-append", words] if words else []


def image(options, system):
    return output(options.debug) / system.name / "starina.elf"


def command(options, system, ram_file=None):
    arguments = base(MACHINES[options.machine], image(options, system), memory(options, ram_file))
    arguments += ["-accel", "tcg", "-cpu", options.cpu, "-smp", str(options.cpus), *devices(options, system)]
    arguments += ["-icount", "shift=0,sleep=off"] if options.icount else []
    arguments += ["-gdb", f"tcp:127.0.0.1:{GDB_PORT}", "-S"] if options.gdb else []
    return arguments + append(kernel_words(options, system))


def visit_command(options, system):
    """The machine that the gateway boots for one visitor: descriptor 3 is the socket that joins the two."""
    arguments = base(VISIT_MACHINE, image(options, system), ["-m", str(options.memory)])
    arguments += ["-accel", f"tcg,tb-size={VISIT_CODE_MIB}", "-cpu", "max", "-sandbox", SANDBOX]
    arguments += ["-chardev", "socket,id=link,fd=3", "-device", "virtio-serial-device,max_ports=2"]
    arguments += ["-device", "virtserialport,chardev=link,nr=1"]
    return arguments + append(kernel_words(options, system))


def quoted(arguments):
    return shlex.join(arguments)
