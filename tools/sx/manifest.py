"""component.toml: what a component is, provides, needs and may use."""

import re
from dataclasses import dataclass
from pathlib import Path

from paths import COMPONENT_FOLDERS, ROOT, shown
from strict import REQUIRED, check_table, in_range, one_of, read_toml, size_in, strings
from ui import Fail, names

VIRTIO_IDS = {"net": 1, "blk": 2, "console": 3, "rng": 4}
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
TEST_PATTERN = re.compile(r"([a-z0-9_?]|\*(?!\*))+(/([a-z0-9_?]|\*(?!\*))+)*_test\.c")
SETTING_KINDS = ("number", "text")
# What the framework itself reads in every component: lib/starina/log.c.
COMMON_SETTINGS = {"log_level": "number"}
LOG_LEVEL_MAX = 3
RESTARTS = ("never", "on-failure", "always", "unlimited")
# What process_create (kernel/process.c) and the largest machine allow.
HANDLES_MAX = 4096
memory_size, stack_size = size_in("64 KiB", "64 GiB"), size_in("1 KiB", "1 MiB")
# Served by init itself, over the bootstrap channel or as a service of its own.
INIT_INTERFACES = ("inspect", "supervisor")


def devices(value):
    result = []
    for device in value:
        kind = device.get("virtio") if isinstance(device, dict) and len(device) == 1 else None
        if not isinstance(kind, str) or kind not in VIRTIO_IDS:
            raise ValueError(f'has something else than {{ virtio = "KIND" }} with KIND one of {names(VIRTIO_IDS)}')
        result.append(kind)
    return result


def settings(value):
    for key, kind in value.items():
        if not NAME.fullmatch(key) or kind not in SETTING_KINDS:
            raise ValueError(f'must be like {{ port = "number" }}, of kinds {names(SETTING_KINDS)}')
        if key in COMMON_SETTINGS:
            raise ValueError(f"has '{key}', which every component has without it; remove it")
    return value


def test_patterns(value):
    for pattern in strings(value):
        if not TEST_PATTERN.fullmatch(pattern):
            raise ValueError(f"has '{pattern}', which is no pattern of test files like \"lib/ring/*_test.c\"")
    return value


FIELDS = {
    "doc": (str, REQUIRED, None),
    "provides": (list, (), strings),
    "needs": (list, (), strings),
    "devices": (list, (), devices),
    "libraries": (list, (), strings),
    "tests": (list, (), test_patterns),  # globs of test files that it runs on the target
    "archive": (bool, False, None),
    "memory": (str, 1 << 20, memory_size),
    "stack": (str, 32 << 10, stack_size),
    "handles": (int, 64, in_range(1, HANDLES_MAX)),
    "priority": (int, 16, in_range(0, 31)),
    "restart": (str, "never", one_of(*RESTARTS)),
    "optimize": (str, "speed", one_of("speed", "size", "throughput")),
    "config": (dict, {}, settings),
}


@dataclass
class Component:
    name: str
    folder: Path
    doc: str
    provides: list
    needs: list
    devices: list
    libraries: list
    tests: list
    archive: bool
    memory: int
    stack: int
    handles: int
    priority: int
    restart: str
    optimize: str  # for long runs, for few pieces of code, or for many requests a second
    config: dict  # name to kind, of what a system file or `sx run --set` may tell it

    @property
    def manifest(self):
        return shown(self.folder / "component.toml")

    def check_setting(self, where, key, value):
        known = self.config | COMMON_SETTINGS
        kind = known.get(key)
        if kind is None:
            raise Fail(f"{where}: '{self.name}' has no setting '{key}'; {self.manifest} has {names(known)}")
        if kind == "number" and not re.fullmatch(r"[0-9]{1,18}", str(value)):
            raise Fail(f"{where}: '{key}' must be a number, 0 to 999999999999999999, not '{value}'")
        if key == "log_level" and int(value) > LOG_LEVEL_MAX:
            raise Fail(f"{where}: 'log_level' must be 0 to {LOG_LEVEL_MAX}, not {value}; see docs/framework.md")

    def test_sources(self):
        """The test files of the tree that are compiled into it."""
        found = []
        for pattern in self.tests:
            matches = sorted(path for path in ROOT.glob(pattern) if path.name.endswith("_test.c"))
            if not matches:
                raise Fail(f"{self.manifest}: tests: no *_test.c in the tree matches '{pattern}'")
            found += matches
        return found


def load(path):
    where = shown(path)
    name = path.parent.name
    if not NAME.fullmatch(name):
        raise Fail(f"{where}: the folder's name must be of a-z, 0-9 and _, at most 31 long")
    return Component(name, path.parent, **check_table(where, read_toml(path), FIELDS))


def check_names(component, interfaces, libraries):
    for key, values, known in (
        ("provides", component.provides, interfaces),
        ("needs", component.needs, interfaces),
        ("libraries", component.libraries, libraries),
    ):
        for value in values:
            if value not in known:
                raise Fail(f"{component.manifest}: {key} unknown '{value}'; known are {names(known)}")


def load_all(interfaces, libraries, root=ROOT):
    """Name to Component of every manifest in the tree."""
    components = {}
    for folder in COMPONENT_FOLDERS:
        for path in sorted((root / folder).glob("*/component.toml")):
            component = load(path)
            if component.name in components:
                other = components[component.name].manifest
                raise Fail(f"{component.manifest}: the name '{component.name}' is taken by {other}; rename one")
            check_names(component, interfaces, libraries)
            components[component.name] = component
    return components
