"""systems/NAME.toml: which components run and how; checked, ordered, and compiled to include/starina/system_file.h."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

from archive import PATH_SIZE
from manifest import INIT_INTERFACES, NAME, RESTARTS, VIRTIO_IDS, Component, memory_size
from paths import ROOT, shown
from strict import REQUIRED, check_table, in_range, one_of, read_toml
from ui import Fail, names

ISOLATIONS = ("user", "kernel")
COMPONENTS_MAX = 64
CONFIG_MAX = 960  # bytes that one `start` message of interfaces/supervisor.toml carries
SERVER_INIT = 0xFFFFFFFF
DEVICE_VIRTIO = 1
MAGIC = 0x3153595341524154

FIELDS = {"doc": (str, REQUIRED, None), "components": (dict, REQUIRED, None), "files": (dict, {}, None)}
INSTANCE_FIELDS = {
    "isolation": (str, "user", one_of(*ISOLATIONS)),
    "component": (str, None, None),
    "config": (dict, {}, None),
    "restart": (str, None, one_of(*RESTARTS)),
    "memory": (str, None, memory_size),
    "priority": (int, None, in_range(0, 31)),
}


@dataclass
class Instance:
    """One component of a system, with the manifest's values where the system file says nothing else."""

    name: str
    component: Component
    isolation: str
    restart: str
    memory: int
    priority: int
    config: str
    links: list = field(default_factory=list)  # (service, instance's name or None for init)


@dataclass
class System:
    name: str
    doc: str
    instances: list  # servers before their clients
    files: dict  # archive path to Path
    init: Component

    @property
    def devices(self):
        return {device for instance in self.instances for device in instance.component.devices}


def config_text(where, component, config):
    lines = []
    for key, value in config.items():
        if isinstance(value, bool):
            value = int(value)
        if not isinstance(value, (int, str)) or not str(value).isprintable():
            raise Fail(f"{where}: config '{key}' must be a number, true, false or one line of text")
        component.check_setting(f"{where}: config", key, value)
        lines.append(f"{key}={value}\n")
    text = "".join(lines)
    if len(text.encode()) > CONFIG_MAX:
        raise Fail(f"{where}: the configuration is over {CONFIG_MAX} bytes; shorten it")
    return text


def instance(where, name, table, components):
    where = f"{where}: [components.{name}]"
    if not NAME.fullmatch(name) or name == "init":
        raise Fail(f"{where}: a name is of a-z, 0-9 and _, at most 31 long, and not 'init'")
    if not isinstance(table, dict):
        raise Fail(f"{where}: must be a table")
    values = check_table(where, table, INSTANCE_FIELDS)
    component = components.get(values.pop("component") or name)
    if component is None or component.name == "init":
        known = names(set(components) - {"init"})
        raise Fail(f"{where}: no such component '{table.get('component', name)}'; known are {known}")
    config = config_text(where, component, values.pop("config"))
    for key in ("restart", "memory", "priority"):
        values[key] = getattr(component, key) if values[key] is None else values[key]
    return Instance(name, component, config=config, **values)


def link(where, instances):
    """Finds the one provider of each need."""
    providers = {}
    for item in instances:
        for interface in item.component.provides:
            providers.setdefault(interface, []).append(item.name)
    for item in instances:
        for need in item.component.needs:
            if need in INIT_INTERFACES:
                item.links.append((need, None))
                continue
            found = providers.get(need, [])
            if not found:
                raise Fail(f"{where}: '{item.name}' needs '{need}', which nothing here provides; add its provider")
            if len(found) > 1:
                raise Fail(f"{where}: '{need}' for '{item.name}' is provided by {names(found)}; keep one of them")
            item.links.append((need, found[0]))


def ordered(where, instances):
    """Servers before their clients; otherwise as written."""
    by_name = {item.name: item for item in instances}
    result, visiting = [], []

    def visit(item):
        if item in result:
            return
        if item.name in visiting:
            cycle = " -> ".join(visiting[visiting.index(item.name) :] + [item.name])
            raise Fail(f"{where}: the needs form a cycle: {cycle}; remove one of them")
        visiting.append(item.name)
        for _, server in item.links:
            if server is not None:
                visit(by_name[server])
        visiting.pop()
        result.append(item)

    for item in instances:
        visit(item)
    return result


def is_in_tree(root, source):
    """Nothing else gets into an image: not by .., an absolute path or a link."""
    try:
        return (root / source).exists() and (root / source).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError):
        return False  # no name that a file could have


def files(where, table, root):
    result = {}
    for target, source in table.items():
        if not target.startswith("/") or target.startswith(("/components", "/system")) or target.endswith("/"):
            raise Fail(f"{where}: [files] '{target}' must begin with / and not be /components, /system or end in /")
        if not isinstance(source, str) or not is_in_tree(root, source):
            raise Fail(f"{where}: [files] '{target}': no file or folder '{source}' in the tree")
        path = root / source
        if path.is_file():
            result[target] = path
        else:
            found = sorted(item for item in path.rglob("*") if item.is_file())
            result |= {f"{target}/{item.relative_to(path)}": item for item in found}
    for target in result:
        if len(target.encode()) >= PATH_SIZE or not target.isprintable():
            raise Fail(f"{where}: [files] {target!r}: a path in the archive is at most {PATH_SIZE - 1} printable bytes; rename it")
    return result


def load(name, components, root=ROOT):
    path = root / "systems" / f"{name}.toml"
    if not path.is_file():
        known = names(item.stem for item in (root / "systems").glob("*.toml"))
        raise Fail(f"no system '{name}'; known are {known}")
    where = shown(path)
    values = check_table(where, read_toml(path), FIELDS)
    if "init" not in components:
        raise Fail(f"{where}: servers/init is missing; every system starts with it")
    instances = [instance(where, item, table, components) for item, table in values["components"].items()]
    if not 0 < len(instances) <= COMPONENTS_MAX:
        raise Fail(f"{where}: a system has 1 to {COMPONENTS_MAX} components")
    link(where, instances)
    return System(name, values["doc"], ordered(where, instances), files(where, values["files"], root), components["init"])


def text(value, length=32):
    return value.encode().ljust(length, b"\0")


def compile_system(system):
    """The bytes of the archive's /system."""
    index = {item.name: number for number, item in enumerate(system.instances)}
    components, links, devices, texts = [], [], [], b""
    for number, item in enumerate(system.instances):
        config = item.config.encode()
        components.append(
            text(item.name)
            + text(item.component.name)
            + struct.pack("<IIQ", ISOLATIONS.index(item.isolation), RESTARTS.index(item.restart), item.memory)
            + struct.pack("<IIII", item.priority, item.component.stack, item.component.handles, item.component.archive)
            + struct.pack("<II", len(texts), len(config))
        )
        texts += config
        for service, server in item.links:
            links.append(struct.pack("<II", number, SERVER_INIT if server is None else index[server]) + text(service))
        for device in item.component.devices:
            devices.append(struct.pack("<IIII", number, DEVICE_VIRTIO, VIRTIO_IDS[device], 0))
    header = struct.pack("<QIIII", MAGIC, len(components), len(links), len(devices), len(texts))
    return b"".join([header, *components, *links, *devices, texts])
