"""What sx run adds to a machine's own words: where it serves, why it does not, and what to do about it."""

import re

ADDRESS = re.compile(r"\] tcpip: address ([0-9.]+)/")
# Which one it is depends on who asks last: init finds no room for its program, or it finds none for its own objects.
UNFIT = re.compile(r"\] (?:init: error: )?(\w+): (?:error: )?(?:can't be started|can't start|start failed): ERR_NO_MEMORY")
STATIC = "--set tcpip.dhcp=0 --set tcpip.address=10.0.0.2/24"
# What QEMU says, and what to do then.
REMEDIES = (
    ("unable to find CPU model", "--cpu: choose one that this lists: qemu-system-x86_64 -cpu help"),
    ("set up guest memory", "--memory: this machine does not have that much; give less"),
    ("/dev/net/tun", "--net tap: become root, or make the interface yours: ip tuntap add dev IFNAME mode tap user $USER"),
)


def size(number):
    return f"{number >> 20} MiB" if number % (1 << 20) == 0 else f"{number >> 10} KiB"


def remedy(complaint):
    """What to do about QEMU's own error, as one line."""
    said = complaint.strip().splitlines()[0].removeprefix("qemu-system-x86_64: ") if complaint.strip() else "it said nothing"
    fix = next((fix for part, fix in REMEDIES if part in complaint), "sx run --dry-run shows its command")
    return f"QEMU did not start ({said}); {fix}"


class Advice:
    """Reads along with the console."""

    def __init__(self, system, options):
        self.limits = {item.name: item.memory for item in system.instances}
        self.memory = options.memory
        self.kind = options.net.partition(":")[0] if "net" in system.devices else None
        self.address = f"127.0.0.1:{options.port}" if self.kind == "user" else None
        self.unfit = set()

    def after(self, line, is_booted):
        """What to say after a line of the console; None: nothing."""
        if unfit := UNFIT.search(line):
            return self.on_unfit(unfit[1])
        if self.kind in ("tap", "unix") and (found := ADDRESS.search(line)):
            self.address = found[1]
        return self.on_booted() if is_booted else None

    def on_unfit(self, name):
        if name in self.unfit:
            return None
        self.unfit.add(name)
        own = f"its own limit of {size(self.limits[name])}" if name in self.limits else "its own limit"
        return f"sx: {name} does not fit into the machine's {self.memory} MiB, or {own}; try --memory {2 * self.memory}"

    def on_booted(self):
        if self.kind is None or self.unfit:
            return None
        if self.address is None:
            return f"Starina has no address yet: it waits for a DHCP server there. To give it one: sx run {STATIC}"
        return f"Starina serves at http://{self.address}/"
