"""Makes the modules of sx importable, and small trees to try them on."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools" / "sx"))


class SmallTree:
    """Manifests and system files in a temporary folder."""

    def __init__(self, root):
        self.root = root

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return self

    def component(self, name, text="", folder="apps"):
        return self.write(f"{folder}/{name}/component.toml", f'doc = "d"\n{text}')

    def components(self):
        import manifest

        return manifest.load_all(["ethernet", "network", "inspect"], ["virtio"], self.root)

    def system(self, text):
        import system

        self.write("systems/s.toml", f'doc = "d"\n{text}')
        return system.load("s", self.components(), self.root)


@pytest.fixture
def small_tree(tmp_path):
    tree = SmallTree(tmp_path)
    tree.component("init", 'provides = ["inspect"]', folder="servers")
    return tree
