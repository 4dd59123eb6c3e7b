"""The whole tree as the build sees it: manifests, libraries, interfaces, recipes; and a fingerprint that tells changes."""

import hashlib
import os
import sys
from dataclasses import dataclass

import manifest
import recipe
from paths import COMPONENT_FOLDERS, ROOT
from ui import Fail

# Files that decide what the build graph looks like, beyond the mere list of files. Unit tests name what they link.
DEFINING_SUFFIXES = (".toml", ".py", "_test.c")
WATCHED = ("kernel", "lib", "include", "interfaces", "systems", "third_party", "tools", "site", *COMPONENT_FOLDERS)


@dataclass
class Tree:
    components: dict
    libraries: list  # names of folders in lib/
    recipes: dict
    interfaces: list  # names
    systems: list  # names


def check_interfaces(paths):
    """Before Ninja calls the interface compiler: it would tell the command line as well."""
    sys.path.insert(0, str(ROOT / "tools"))
    from interface_model import InterfaceError, load

    for path in paths:
        try:
            load(path)
        except InterfaceError as error:
            raise Fail(str(error).replace(f"{ROOT}/", "")) from None


def load():
    interfaces = sorted(path.stem for path in (ROOT / "interfaces").glob("*.toml"))
    libraries = sorted(path.name for path in (ROOT / "lib").glob("*") if path.is_dir())
    recipes = recipe.load_all()
    both = set(libraries) & set(recipes)
    if both:
        raise Fail(f"lib/{min(both)} and third_party/{min(both)}.toml have one name; rename one")
    components = manifest.load_all(interfaces, [*libraries, *recipes])
    systems = sorted(path.stem for path in (ROOT / "systems").glob("*.toml"))
    return Tree(components, libraries, recipes, interfaces, systems)


def sources(folder, suffixes=(".c",)):
    """The folder's own source files without its tests."""
    found = (path for path in folder.iterdir() if path.suffix in suffixes)
    return sorted(path for path in found if not path.stem.endswith("_test"))


def fingerprint(*extra):
    """Changes when a file comes or goes, or when a manifest or tool changes; not when a source is edited."""
    digest = hashlib.sha256(repr(extra).encode())
    pending = [str(ROOT / folder) for folder in WATCHED]
    while pending:
        try:
            entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in entries:
            if entry.name == "__pycache__":
                continue
            digest.update(entry.path.encode() + b"\n")
            if entry.is_dir():
                pending.append(entry.path)
            elif entry.name.endswith(DEFINING_SUFFIXES):
                state = entry.stat()
                digest.update(f"{state.st_mtime_ns} {state.st_size}\n".encode())
    return digest.hexdigest()
