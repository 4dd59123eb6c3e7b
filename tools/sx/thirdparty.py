"""Obtains what third_party/*.toml describes into the cache: downloaded once, checked, unpacked and (Meson) built."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import debian
import flags
from paths import cache
from ui import Fail, progress, progress_end

# Meson asks the compiler which linker it has; for this target clang would ask gcc, which need not be there.
CROSS_FILE = """[binaries]
c = ['{clang}', '--target={target}', '-ccc-gcc-name', '{clang}', '-nostdlib', '-nostdlibinc']
c_ld = 'lld'
ar = 'llvm-ar-19'
nm = 'llvm-nm-19'
strip = 'llvm-strip-19'
[host_machine]
system = 'none'
cpu_family = 'x86_64'
cpu = 'x86_64'
endian = 'little'
[built-in options]
c_args = [{arguments}]
[properties]
skip_sanity_check = true
needs_exe_wrapper = true
"""


def digest(path):
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find(folder, sha256):
    return next((path for path in folder.glob("*") if path.is_file() and digest(path) == sha256), None)


def obtain(recipe):
    """The verified original file, from the cache or from the network."""
    folder = cache() / "downloads" / recipe.name
    path = find(folder, recipe.sha256)
    if path is None:
        debian.download(recipe, folder)
        path = find(folder, recipe.sha256)
    if path is None:
        raise Fail(
            f"{recipe.file}: Debian's {recipe.package} in {recipe.suite} is another file now; "
            f"check the new version and set sha256 to that of {folder}/*"
        )
    return path


def run(command, folder, what):
    result = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        log = cache() / "failed.log"
        log.write_text(result.stdout)
        raise Fail(f"{what} failed; the whole output is in {log}")


def unpack(recipe, original, folder):
    progress(f"Unpacking {recipe.name} …")
    if recipe.kind == "package":
        run(["dpkg-deb", "--extract", original, folder], None, f"unpacking {original.name}")
    else:
        run(["tar", "-xf", original, "-C", folder, "--strip-components=1"], None, f"unpacking {original.name}")


def build_meson(recipe, source, prefix):
    """Builds with Meson for components and keeps what it installs: include/ and lib/*.a."""
    progress(f"Building {recipe.name} {recipe.version} (once, under a minute) …")
    # Foreign code is built without our warnings, and without the stack protector that it may itself implement.
    arguments = [item for item in flags.CODE if not item.startswith(("-fstack-protector", "-mstack-protector"))]
    prefix_map = f"-ffile-prefix-map={source}={recipe.name}"
    quoted = ", ".join(f"'{item}'" for item in [*arguments, "-fPIE", "-w", prefix_map])
    cross = source / "starina-cross.txt"
    cross.write_text(CROSS_FILE.format(clang=flags.CLANG, target=flags.TARGET, arguments=quoted))
    options = [f"-D{key}={value}" for key, value in recipe.options.items()]
    setup = ["meson", "setup", "starina-build", "--cross-file", cross, "--prefix", prefix, "--buildtype=plain"]
    run([*setup, "--default-library=static", *options], source, f"configuring {recipe.name}")
    run(["ninja", "-C", "starina-build", "install"], source, f"building {recipe.name}")


def prepare(recipe):
    """Fills the recipe's folder in a temporary place and moves it there: it exists whole or not at all."""
    original = obtain(recipe)
    work = Path(tempfile.mkdtemp(prefix=f"{recipe.name}-", dir=cache()))
    try:
        unpack(recipe, original, work)
        if recipe.kind == "meson":
            made = work / "starina-installed"
            build_meson(recipe, work, made)
            made.rename(recipe.folder)
        else:
            os.chmod(work, 0o755)
            work.rename(recipe.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def prepare_all(recipes):
    """Obtains whatever is missing, one sx at a time."""
    missing = [recipe for recipe in recipes if not recipe.folder.is_dir()]
    if not missing:
        return
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            for recipe in missing:
                if not recipe.folder.is_dir():
                    prepare(recipe)
        finally:
            progress_end()
