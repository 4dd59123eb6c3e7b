"""third_party/NAME.toml: how a foreign library is obtained and built. Its code is never in the tree.

tools/bench/peers/NAME.toml are recipes too, of what the benchmarks compare us with: without `files`, only obtained.

Every recipe has doc, version, package (Debian's), suite and license. `kind` says where the C comes from and who builds:
  sources   the source package's original tarball (pinned by sha256); Ninja compiles `files`
  package   the binary package, unpacked (pinned by sha256); Ninja compiles `files`
  meson     as sources, but its own Meson build makes a static library and a folder of headers
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from paths import ROOT, cache, shown
from strict import REQUIRED, check_table, one_of, read_toml, strings
from ui import Fail


def sha256(value):
    if len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError("is not the 64 hexadecimal digits of a SHA-256")
    return value


def string_table(value):
    if not all(isinstance(item, str) for item in value.values()):
        raise ValueError("is not a table of strings")
    return value


FIELDS = {
    "doc": (str, REQUIRED, None),
    "version": (str, REQUIRED, None),
    "license": (str, REQUIRED, None),
    "kind": (str, REQUIRED, one_of("sources", "package", "meson")),
    "package": (str, REQUIRED, None),
    "suite": (str, REQUIRED, one_of("bookworm", "trixie")),
    "sha256": (str, REQUIRED, sha256),
    "files": (list, [], strings),  # globs in the package
    "include": (list, [], strings),  # folders in the package, for itself and its users
    "tree_include": (list, [], strings),  # folders in our tree, first: the library's configuration
    "defines": (list, [], strings),
    "options": (dict, {}, string_table),  # of Meson
    "arguments": (list, [], strings),  # of the compiler, when Meson builds
    "everywhere": (bool, False, None),  # linked into every component
}


@dataclass
class Recipe:
    name: str
    file: str  # the recipe's own, for messages
    key: str
    doc: str
    version: str
    license: str
    kind: str
    package: str
    suite: str
    sha256: str
    files: list
    include: list
    tree_include: list
    defines: list
    options: dict
    arguments: list
    everywhere: bool

    @property
    def folder(self):
        """Where the obtained code, or what Meson made of it, is kept."""
        return cache() / f"{self.name}-{self.version}-{self.key}"

    @property
    def include_folders(self):
        if self.kind == "meson":
            return [self.folder / "include"]
        return [ROOT / item for item in self.tree_include] + [self.folder / item for item in self.include]

    def sources(self):
        found = []
        for pattern in self.files:
            matches = sorted(self.folder.glob(pattern))
            if not matches:
                raise Fail(f"{self.file}: files: nothing in the package matches '{pattern}'")
            found += matches
        return found


def load(path, is_library=True):
    values = check_table(shown(path), read_toml(path), FIELDS)
    if is_library and (values["kind"] == "meson") == bool(values["files"]):
        raise Fail(f"{shown(path)}: 'files' is for the kinds sources and package, which need it")
    identity = [values[key] for key in ("kind", "sha256")] + sorted(values["options"].items())
    identity += values["arguments"]
    return Recipe(path.stem, shown(path), hashlib.sha256(repr(identity).encode()).hexdigest()[:12], **values)


def load_all(root=ROOT, folder="third_party", is_library=True):
    return {path.stem: load(path, is_library) for path in sorted((root / folder).glob("*.toml"))}
