"""Builds the Linux peers from what tools/bench/peers/*.toml fetch: a kernel and nginx, once, kept in the cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import recipe
import thirdparty
from paths import ROOT, cache
from ui import Fail, progress, progress_end

HERE = ROOT / "tools/bench"
LEAN_CONFIG = HERE / "lean.config"

# What a web server of static files has no use for. PCRE and zlib are only needed by modules of this list.
NGINX_WITHOUT = (
    "rewrite gzip proxy fastcgi uwsgi scgi grpc memcached charset ssi userid auth_basic geo map split_clients referer "
    "limit_conn limit_req empty_gif browser upstream_hash mirror"
).split()
NGINX_OPTIONS = [
    *("--prefix=/", "--conf-path=/nginx.conf", "--error-log-path=stderr", "--http-log-path=off", "--pid-path=/run/nginx.pid"),
    *("--lock-path=/run/nginx.lock", "--http-client-body-temp-path=/tmp/body", "--with-cc-opt=-O2", "--with-ld-opt=-static"),
    *(f"--without-http_{module}_module" for module in NGINX_WITHOUT),
]


def recipes():
    return recipe.load_all(folder="tools/bench/peers", is_library=False)


def run(command, folder, what):
    """Runs a long command; shows the last line that it printed."""
    log = cache() / "failed.log"
    with open(log, "w") as copy, subprocess.Popen(
        ["nice", *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:  # fmt: skip
        for count, line in enumerate(process.stdout):
            copy.write(line)
            if count % 20 == 0:
                progress(f"{what}: {line.strip()}")
    if process.returncode != 0:
        raise Fail(f"{what} failed; the whole output is in {log}")


def build_kernel(sources, work, made):
    """The smallest Linux that serves a page over virtio-net: no modules, PCI, ACPI or mitigations. Ten minutes."""
    tarball = sources.folder / "usr/src/linux-source-6.1.tar.xz"
    run(["tar", "-xf", tarball, "-C", work, "--strip-components=1"], None, "Unpacking Linux")
    shutil.copy(LEAN_CONFIG, work / "lean.config")
    run(["make", f"KCONFIG_ALLCONFIG={work}/lean.config", "allnoconfig"], work, "Configuring Linux")
    run(["make", f"-j{os.cpu_count()}", "vmlinux"], work, "Compiling Linux, once, about ten minutes")
    run(["strip", "-o", made / "vmlinux", work / "vmlinux"], None, "Stripping Linux")


def build_nginx(sources, work, made):
    shutil.copytree(sources.folder, work, dirs_exist_ok=True, symlinks=True)
    run(["./configure", *NGINX_OPTIONS], work, "Configuring nginx")
    run(["make", f"-j{os.cpu_count()}"], work, "Compiling nginx, once")
    run(["strip", "-o", made / "nginx", work / "objs/nginx"], None, "Stripping nginx")


def obtained(name):
    """The recipe of this name, its files in the cache."""
    item = recipes()[name]
    thirdparty.prepare_all([item])
    return item


def built(name, build, source, *inputs):
    """The cache's folder of what `build` makes of a recipe; it exists whole or not at all."""
    item = recipes()[source]
    key = hashlib.sha256(repr([item.key, *inputs]).encode()).hexdigest()[:12]
    folder = cache() / f"{name}-{item.version}-{key}"
    if folder.is_dir():
        return folder
    thirdparty.prepare_all([item])
    with open(cache() / "lock-peers", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            build_in_place(build, item, folder)
    return folder


def build_in_place(build, item, folder):
    work, made = (Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=cache())) for _ in range(2))
    try:
        build(item, work, made)
        made.chmod(0o755)
        made.rename(folder)
    finally:
        progress_end()
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(made, ignore_errors=True)


def lean_kernel():
    return built("lean-linux", build_kernel, "linux_source", LEAN_CONFIG.read_text()) / "vmlinux"


def lean_nginx():
    return built("lean-nginx", build_nginx, "nginx_source", NGINX_OPTIONS) / "nginx"
