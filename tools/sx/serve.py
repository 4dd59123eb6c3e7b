"""sx serve: builds a system and the gateway, which then boots a fresh virtual machine for every connection."""

import os
import sys
from pathlib import Path

import qemu
from paths import ROOT, output, shown
from run import bounded, check_port, load_system
from ui import Fail, say

GATEWAY = "gateway"
ADDRESS_SPACE_MIB = 512  # of QEMU beside the machine's own memory; docs/gateway.md


def add_arguments(parser):
    add = parser.add_argument
    add("--system", default="visit", metavar="NAME", help="what each machine runs: systems/NAME.toml (default: visit)")
    add("--port", type=bounded(1, 65535), default=8080, help="port of this machine where visitors come (default: 8080)")
    add("--metrics-port", type=bounded(0, 65535), default=9180, metavar="PORT", help="where Prometheus asks; 0: nowhere (default: 9180)")
    add("--vms", type=bounded(1, 4096), default=64, metavar="N", help="machines at once (default: 64)")
    add("--warm", type=bounded(0, 4096), default=0, metavar="N", help="machines booted in advance (default: 0)")
    add("--memory", type=bounded(2, 1024), default=8, metavar="MIB", help="RAM of each machine in MiB (default: 8)")
    add("--queue", type=bounded(0, 65536), default=256, metavar="N", help="visitors that wait for a machine (default: 256)")
    add("--per-client", type=bounded(1, 65536), metavar="N", help="visits at once from one address (default: no limit of its own)")
    add("--isolate", action="append", default=[], metavar="PATTERN=MODE", help="isolation of components: user or kernel")
    add("--log", metavar="FILE", help="append the log to a file, not to stderr")
    add("--dry-run", action="store_true", help="print the command and start nothing")
    add("--yes", action="store_true", help="install what is missing without asking")
    parser.set_defaults(set=[], trace=None, debug=False)  # of `sx run`; qemu.py looks at them


def gateway_options(options):
    arguments = ["--listen", f"127.0.0.1:{options.port}"]
    arguments += ["--metrics", f"127.0.0.1:{options.metrics_port}"] if options.metrics_port else []
    for name in ("vms", "warm", "queue"):
        arguments += [f"--{name}", str(getattr(options, name))]
    per_client = options.per_client or min(options.vms + options.queue, 65536)
    arguments += ["--per-client", str(per_client), "--vm-memory-mib", str(ADDRESS_SPACE_MIB + options.memory)]
    return arguments + (["--log", str(Path(options.log).resolve())] if options.log else [])


def command(options, system):
    program = shown(output(False) / GATEWAY)
    return [program, *gateway_options(options), "--", *qemu.visit_command(options, system)]


def check(options):
    if options.warm > options.vms:
        raise Fail(f"--warm {options.warm}: at most --vms, which is {options.vms}")
    if options.port == options.metrics_port:
        raise Fail(f"--metrics-port {options.metrics_port}: visitors come there; choose another")
    check_port(options.port, "sx serve --port")
    if options.metrics_port:
        check_port(options.metrics_port, "sx serve --metrics-port")


def prepare(options, system):
    """Everything that must be there before the gateway starts."""
    import build
    import setup

    setup.ensure("run", options.yes)
    check(options)
    build.build([system.name, GATEWAY], yes=options.yes, quiet=not sys.stdout.isatty())


def main(options):
    system = load_system(options.system)
    if "console" not in system.devices:
        raise Fail(f"system '{system.name}' has no component with a virtio console device, which joins it to the gateway")
    arguments = command(options, system)
    if options.dry_run:
        say(qemu.quoted(arguments))
        return 0
    prepare(options, system)
    say(f"Starina serves at http://127.0.0.1:{options.port}/, a fresh machine for every connection. Ctrl-C ends it.")
    if options.metrics_port:
        say(f"Metrics: http://127.0.0.1:{options.metrics_port}/metrics")
    os.chdir(ROOT)
    os.execv(ROOT / arguments[0], arguments)
