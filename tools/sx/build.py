"""sx build: keeps the Ninja graph in step with the manifests, then lets Ninja do the work."""

import contextlib
import fcntl
import json
import subprocess

import setup
from paths import BUILD, ROOT, output, shown
from ui import Fail, names

GROUPS = ("all", "bench", "components", "kernel", "tests")


def add_arguments(parser):
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="a system, a component, gateway, components, kernel, tests, bench or all (the default)")
    parser.add_argument("--debug", action="store_true", help="with checks for undefined behaviour, in build/debug")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the commands")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")


def update_graph(debug):
    """Writes build.ninja again if a manifest, a recipe, a tool or the list of files changed. Returns names to build by."""
    import tree

    out = output(debug)
    key, index = out / "graph.key", out / "targets.json"
    current = tree.fingerprint(debug, ROOT)
    if key.is_file() and key.read_text() == current and (out / "build.ninja").is_file():
        targets = json.loads(index.read_text())
        if all((BUILD / folder).is_dir() for folder in targets["caches"]):
            return targets["names"]
    targets = write_graph(debug)
    index.write_text(json.dumps(targets))
    key.write_text(current)
    return targets["names"]


def write_graph(debug):
    import graph
    import system
    import thirdparty
    import tree

    tree.check_interfaces(sorted((ROOT / "interfaces").glob("*.toml")))
    loaded = tree.load()
    systems = [system.load(name, loaded.components) for name in loaded.systems]
    used = {name for component in loaded.components.values() for name in component.libraries}
    recipes = [item for item in loaded.recipes.values() if item.everywhere or item.name in used]
    thirdparty.prepare_all(recipes)
    graph.write(loaded, systems, debug)
    write_compile_commands(debug)
    out = shown(output(debug))
    found = {name: f"{out}/components/{name}.elf" for name in loaded.components}
    found |= {item.name: f"{out}/{item.name}/starina.elf" for item in systems} | {name: name for name in GROUPS}
    found |= {name: f"{out}/{name}" for name in graph.PROGRAMS}
    return {"names": found, "caches": [str(item.folder) for item in recipes]}


def write_compile_commands(debug):
    command = ["ninja", "-f", output(debug) / "build.ninja", "-t", "compdb", "cc", "cc_tool"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    (ROOT / "compile_commands.json").write_text(result.stdout)


@contextlib.contextmanager
def one_at_a_time():
    """Ninja and the graph's files are for one build at a time; a second sx waits here."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(targets, debug=False, verbose=False, yes=False, quiet=False, output_to=None):
    """Builds the named systems, components or "kernel"; everything if none is named. Ninja prints to the given file."""
    setup.ensure("build", yes)
    with one_at_a_time():
        build_now(targets, debug, verbose, quiet, output_to)


def build_now(targets, debug, verbose, quiet, output_to):
    known = update_graph(debug)
    for target in targets:
        if target not in known:
            raise Fail(f"nothing to build is named '{target}'; known are {names(known)}")
    command = ["ninja", "-f", shown(output(debug) / "build.ninja")]
    command += ["-v"] if verbose else ["--quiet"] if quiet else []
    command += [known[target] for target in targets] or ["all"]
    result = subprocess.run(command, cwd=ROOT, stdout=output_to)
    if result.returncode != 0:
        raise Fail("the build failed; the first error above says where")


def main(options):
    build(options.targets, options.debug, options.verbose, options.yes)
