"""Broken manifests, system files and recipes get one line that names the file and what to do."""

import random
import re

import manifest
import pytest
import recipe
import system
import tree
from paths import ROOT
from ui import Fail


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("colour = 1", "unknown key 'colour'"),
        ("archive = 1", "'archive' must be a true or false"),
        ("handles = true", "'handles' must be a whole number"),
        ("handles = 0", "'handles' is not in 1 to 4096"),
        ("handles = 4097", "'handles' is not in 1 to 4096"),
        ('memory = "1 KiB"', "'memory' is not in 64 KiB to 64 GiB"),
        ('memory = "65 GiB"', "'memory' is not in 64 KiB to 64 GiB"),
        ('memory = "99999999999 GiB"', "'memory' is not in 64 KiB to 64 GiB"),
        ('memory = "² MiB"', "'memory' is not a size"),
        ('stack = "4 MiB"', "'stack' is not in 1 KiB to 1 MiB"),
        ("devices = [{ virtio = [1] }]", "'devices' has something else"),
        ('tests = ["/etc/x_test.c"]', "'tests' has '/etc/x_test.c', which is no pattern"),
        ('tests = ["lib/../../x_test.c"]', "which is no pattern"),
        ('"a\\nb" = 1', "unknown key 'a?b'"),
        (f"handles = {'9' * 5000}", "not valid TOML"),
        (f"needs = {'[' * 5000}", "not valid TOML"),
        ('memory = "2 MB"', "'memory' is not a size"),
        ('memory = "-1 MiB"', "'memory' is not a size"),
        ('needs = ["telepathy"]', "needs unknown 'telepathy'; known are ethernet, inspect, network"),
        ("needs = [1]", "'needs' is not a list of strings"),
        ('needs = ["network", "network"]', "'needs' names something twice"),
        ('libraries = ["boost"]', "libraries unknown 'boost'"),
        ('devices = [{ virtio = "gpu" }]', "'devices' has something else"),
        ('restart = "sometimes"', "'restart' is none of never, on-failure, always, unlimited"),
        ('config = { port = "integer" }', "'config' must be like"),
        ("config = { Port = 1 }", "'config' must be like"),
        ('config = { log_level = "number" }', "'config' has 'log_level', which every component has"),
        ("= 1", "not valid TOML"),
    ],
)
def test_broken_manifest(small_tree, text, complaint):
    small_tree.component("app", text)
    with pytest.raises(Fail) as failure:
        small_tree.components()
    assert complaint in str(failure.value)
    assert "apps/app/component.toml" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_missing_doc(small_tree):
    small_tree.write("apps/app/component.toml", "")
    with pytest.raises(Fail, match="'doc' is missing; add it"):
        small_tree.components()


def test_two_components_of_one_name(small_tree):
    small_tree.component("app").component("app", folder="drivers")
    with pytest.raises(Fail, match="the name 'app' is taken"):
        small_tree.components()


def test_folder_name_is_checked(small_tree):
    with pytest.raises(Fail, match="the folder's name must be"):
        small_tree.component("My-App").components()


@pytest.fixture
def stack(small_tree):
    """A driver, a server on it, and a client of that."""
    small_tree.component("nic", 'provides = ["ethernet"]\ndevices = [{ virtio = "net" }]\nconfig = { a = "text", n = "number" }', folder="drivers")
    small_tree.component("stack", 'provides = ["network"]\nneeds = ["ethernet"]', folder="servers")
    return small_tree.component("app", 'needs = ["network", "inspect"]')


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "'components' is missing"),
        ("[components]", "a system has 1 to 64 components"),
        ("[components.ap]", "no such component 'ap'; known are app, nic, stack"),
        ("[components.init]", "not 'init'"),
        ('[components.nic]\nisolation = "strong"', "'isolation' is none of user, kernel"),
        ("[components.nic]\ncolour = 1", "unknown key 'colour'"),
        ("[components.app]", "'app' needs 'network', which nothing here provides; add its provider"),
        ("[components.nic]\nconfig = { a = [] }", "config 'a' must be"),
        ('[components.nic]\nconfig = { a = "x\\ny" }', "config 'a' must be"),
        ("[components.nic]\nconfig = { b = 1 }", "'nic' has no setting 'b'; "),
        ('[components.nic]\nconfig = { n = "x" }', "'n' must be a number"),
        ("[components.nic]\nconfig = { n = -1 }", "'n' must be a number"),
        (f'[components.nic]\nconfig = {{ a = "{"x" * 960}" }}', "configuration is over 960 bytes"),
        ('[components.nic]\n[files]\n"/site" = "nowhere"', "no file or folder 'nowhere'"),
        ('[components.nic]\n[files]\n"site" = "apps"', "must begin with /"),
        ('[components.nic]\n[files]\n"/site" = "/etc/passwd"', "no file or folder '/etc/passwd' in the tree"),
        ('[components.nic]\n[files]\n"/site" = "../../../../../../etc"', "in the tree"),
        ('[components.nic]\n[files]\n"/site" = "\\u0000"', "in the tree"),
        ('[components.nic]\n[files]\n"/a\\tb" = "systems"', "printable bytes"),
        (f'[components.nic]\n[files]\n"/{"x" * 104}" = "systems/s.toml"', "at most 103 printable bytes"),
        ('[components.nic]\nmemory = "1 KiB"', "'memory' is not in 64 KiB to 64 GiB"),
        (
            '[components.nic]\n[components.b]\ncomponent = "nic"\n[components.stack]\n[components.app]',
            "'ethernet' for 'stack' is provided by b, nic; keep one of them",
        ),
    ],
)
def test_broken_system(stack, text, complaint):
    with pytest.raises(Fail) as failure:
        stack.system(text)
    assert complaint in str(failure.value)
    assert "systems/s.toml" in str(failure.value)


def test_cyclic_needs(small_tree):
    small_tree.component("a", 'provides = ["network"]\nneeds = ["ethernet"]')
    small_tree.component("b", 'provides = ["ethernet"]\nneeds = ["network"]')
    with pytest.raises(Fail, match="the needs form a cycle: a -> b -> a"):
        small_tree.system("[components.a]\n[components.b]")


def test_servers_come_before_their_clients(stack):
    made = stack.system("[components.app]\n[components.stack]\n[components.nic]")
    assert [item.name for item in made.instances] == ["nic", "stack", "app"]
    assert made.instances[2].links == [("network", "stack"), ("inspect", None)]


def test_system_overrides_manifest(stack):
    made = stack.system('[components.nic]\nmemory = "3 MiB"\nrestart = "always"\npriority = 20')
    nic = made.instances[0]
    assert (nic.memory, nic.restart, nic.priority) == (3 << 20, "always", 20)


def test_unknown_system_lists_the_known(small_tree):
    small_tree.system("[components.app]") if small_tree.component("app") else None
    with pytest.raises(Fail, match="no system 'x'; known are s"):
        system.load("x", {}, small_tree.root)


RECIPE = """doc = "d"
version = "1"
license = "MIT"
kind = "sources"
package = "p"
suite = "trixie"
sha256 = "SHA"
files = ["*.c"]
"""


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("SHA", "0" * 63, "'sha256' is not the 64 hexadecimal digits"),
        ('"trixie"', '"sid"', "'suite' is none of bookworm, trixie"),
        ('"sources"', '"meson"', "'files' is for the kinds sources and package"),
    ],
)
def test_broken_recipe(tmp_path, old, new, complaint):
    path = tmp_path / "p.toml"
    path.write_text(RECIPE.replace(old, new).replace("SHA", "0" * 64))
    with pytest.raises(Fail, match=complaint):
        recipe.load(path)


def test_links_out_of_the_tree_are_not_packed(stack):
    (stack.root / "site").symlink_to("/etc")
    with pytest.raises(Fail, match="no file or folder 'site' in the tree"):
        stack.system('[components.nic]\n[files]\n"/site" = "site"')


# --- Arbitrary files ---

FILES_TRIED = 1000
ODD_VALUES = ["0", "-1", "true", "9" * 30, "1e999", "nan", '""', '"\\u0000"', '"../.."', "[]", "[[]]", "[{}]", "[1]", "{}", "{ a = [] }", "1979-05-27", '"²"']
ODD_CHARACTERS = ['"', "[", "]", "=", "\n", "\0", ".", "ä", "#", "{", "9"]


def mutated(text, generator):
    """A valid file with a few values, lines or characters changed."""
    for _ in range(generator.randrange(1, 4)):
        values = list(re.finditer(r"(?<== ).*$|(?<=\[)[^]\n]*(?=\])", text, re.MULTILINE))
        at = generator.randrange(len(text) + 1)
        kind = generator.randrange(4)
        if kind == 0 and values:
            chosen = generator.choice(values)
            text = text[: chosen.start()] + generator.choice(ODD_VALUES) + text[chosen.end() :]
        elif kind == 1:
            lines = text.splitlines() or [""]
            lines.insert(generator.randrange(len(lines) + 1), generator.choice(lines))
            text = "\n".join(lines)
        elif kind == 2:
            text = text[:at] + generator.choice(ODD_CHARACTERS) + text[at:]
        else:
            text = text[:at] + text[at + generator.randrange(1, 9) :]
    return text


NAMES = [[path.stem for folder in folders for path in (ROOT / folder).iterdir()] for folders in (["interfaces"], ["lib", "third_party"])]


def load_component(path):
    component = manifest.load(path)
    manifest.check_names(component, *NAMES)
    component.test_sources()


def load_system(path):
    system.compile_system(system.load(path.stem, manifest.load_all(*NAMES), path.parent.parent))


@pytest.mark.parametrize(
    "pattern, place, load",
    [
        ("*/*/component.toml", "apps/app/component.toml", load_component),
        ("systems/*.toml", "systems/s.toml", load_system),
        ("third_party/*.toml", "third_party/p.toml", recipe.load),
        ("interfaces/*.toml", "interfaces/i.toml", lambda path: tree.check_interfaces([path])),
    ],
)
def test_arbitrary_files_load_or_fail_in_one_line(small_tree, pattern, place, load):
    generator = random.Random(7)
    originals = [path.read_text() for path in sorted(ROOT.glob(pattern))]
    (small_tree.root / "site").mkdir()
    loaded = 0
    for _ in range(FILES_TRIED):
        text = mutated(generator.choice(originals), generator)
        small_tree.write(place, text)
        try:
            load(small_tree.root / place)
            loaded += 1
        except Fail as failure:
            assert str(failure).isprintable(), text
    assert 0 < loaded < FILES_TRIED
