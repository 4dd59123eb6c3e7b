"""The initramfs of each Linux peer: what nginx needs, the pages, and for Debian's the modules and a shell."""

import peers
from graph import write_if_changed
from initramfs import Initramfs
from network import GUEST, HOST
from paths import BUILD

NGINX_CONF = """worker_processes 1;
daemon off;
master_process off;
user root root;
error_log stderr notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  types { text/html html; }
  default_type application/octet-stream;
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_timeout 65; keepalive_requests 100000000;
  open_file_cache max=64 inactive=1h; open_file_cache_valid 1h;
  server { listen 80 reuseport; root /www; }
}
"""
MARKER = b"epoll"  # what nginx logs once it listens
SMALL, LARGE = ("/index.html", 2048), ("/1m.bin", 1 << 20)
FOLDERS = ("dev", "proc", "sys", "run", "tmp", "etc", "var/lib/nginx", "var/log/nginx", "var/lock")
DEVICES = {"console": (5, 1), "null": (1, 3), "urandom": (1, 9)}

MODULES = ("virtio/virtio", "virtio/virtio_ring", "virtio/virtio_mmio", "net/net_failover", "net/virtio_net")
INSERTED = ("virtio", "virtio_ring", "virtio_mmio", "failover", "net_failover", "virtio_net")
APPLETS = ("sh", "mount", "insmod", "ifconfig", "route")
LIBRARIES = {
    "libc6": ("lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    "libcrypt1": ("lib/x86_64-linux-gnu/libcrypt.so.1",),
    "libpcre2": ("usr/lib/x86_64-linux-gnu/libpcre2-8.so.0",),
    "libssl3": ("usr/lib/x86_64-linux-gnu/libssl.so.3", "usr/lib/x86_64-linux-gnu/libcrypto.so.3"),
    "zlib1g": ("lib/x86_64-linux-gnu/libz.so.1",),
}
INIT = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
{"".join(f"insmod /mod/{name}.ko" + chr(10) for name in INSERTED)}ifconfig lo 127.0.0.1 up
ifconfig eth0 {GUEST} netmask 255.255.255.0 up
route add default gw {HOST}
exec /bin/nginx -c /nginx.conf
"""


def base(pages):
    """What every peer has."""
    made = Initramfs()
    for folder in FOLDERS:
        made.folder(folder)
    for name, numbers in DEVICES.items():
        made.device(f"dev/{name}", *numbers)
    made.file("nginx.conf", NGINX_CONF.encode())
    made.file("etc/passwd", b"root:x:0:0::/:/bin/sh\n")
    made.file("etc/group", b"root:x:0:\n")
    for path, size in pages:
        made.file(f"www{path}", b"x" * size)
    return made


def write(name, made, pages):
    path = BUILD / "bench" / f"{name}-{len(pages)}.cpio"
    write_if_changed(path, made.bytes())
    return path


def lean_images(pages):
    """(kernel, initramfs) of the lean peer: nginx is the only program and the first process."""
    made = base(pages)
    made.program("bin/nginx", peers.lean_nginx())
    return peers.lean_kernel(), write("lean", made, pages)


def debian_images(pages):
    """(kernel, initramfs) of Debian's own kernel and nginx, set up by busybox."""
    kernel = peers.obtained("linux_cloud").folder
    modules = next((kernel / "lib/modules").iterdir()) / "kernel"
    made = base(pages)
    made.program("bin/nginx", peers.obtained("nginx").folder / "usr/sbin/nginx")
    made.program("bin/busybox", peers.obtained("busybox").folder / "bin/busybox")
    for applet in APPLETS:
        made.link(f"bin/{applet}", "busybox")
    for path in (*(f"drivers/{name}" for name in MODULES), "net/core/failover"):
        made.program(f"mod/{path.rpartition('/')[2]}.ko", modules / f"{path}.ko")
    for name, files in LIBRARIES.items():
        for file in files:
            made.program(f"lib/{file.rpartition('/')[2]}", peers.obtained(name).folder / file)
    made.link("lib64", "lib")
    made.program("init", write_script())
    return next((kernel / "boot").glob("vmlinuz-*")), write("debian", made, pages)


def write_script():
    path = BUILD / "bench" / "debian-init"
    write_if_changed(path, INIT.encode())
    return path
