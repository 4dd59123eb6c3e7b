"""sx doctor: lists what Starina needs of this machine, what was found, and the fix for what is missing."""

import platform
import subprocess
import sys

import setup
from paths import cache
from ui import say


def add_arguments(parser):
    parser.add_argument("--tests", action="store_true", help="also what only sx test needs")


def version(need):
    """The package's installed version, or where its program was found."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", need.package]
    try:
        result = subprocess.run(query, capture_output=True, text=True)
    except FileNotFoundError:
        return "found"
    return result.stdout or "found"


def check_python():
    good = sys.version_info >= (3, 11)
    return good, platform.python_version(), "install Python 3.11 or newer (Debian 12 has it)"


def check_machine():
    good = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    return good, f"{platform.system()} {platform.machine()}", "use Linux on x86_64; Debian 12 is what is tested"


def check_cache():
    folder = cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "doctor").touch()
        (folder / "doctor").unlink()
    except OSError as error:
        return False, f"{folder}: {error.strerror}", "make it writable, or set SX_CACHE to a folder that is"
    return True, str(folder), ""


def check_need(need):
    present = setup.is_present(need)
    return present, version(need) if present else "missing", setup.by_hand([need.package])


def main(options):
    checks = [("machine", check_machine()), ("Python", check_python()), ("cache", check_cache())]
    checks += [(need.package, check_need(need)) for need in setup.GROUPS["test" if options.tests else "run"]]
    for name, (good, found, fix) in checks:
        say(f"{'ok ' if good else 'BAD'}  {name:20} {found}{'' if good else '; fix: ' + fix}")
    return 0 if all(check[0] for _, check in checks) else 1
