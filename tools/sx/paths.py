"""Where things are in the tree and on the machine."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
COMPONENT_FOLDERS = ("apps", "servers", "drivers")


def cache():
    """Downloads and foreign libraries, shared by all checkouts of one user."""
    if "SX_CACHE" in os.environ:
        return Path(os.environ["SX_CACHE"]).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "starina"


def output(debug):
    """The folder of what is built: debug builds live beside release builds."""
    return BUILD / "debug" if debug else BUILD


def shown(path):
    """A path for people and for Ninja: relative to the root where it is below it."""
    path = Path(path)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
