"""Downloads Debian packages without touching the machine's apt: own configuration, lists and cache.

The mirror and the keyring are those of the machine's own sources, so no host is named here.
"""

import re
import subprocess
from pathlib import Path

from paths import cache
from ui import Fail, progress

SUITES = ("bookworm", "trixie")
SOURCE_FOLDER = Path("/etc/apt")


def stanzas(text):
    """Fields of each stanza of a deb822 file."""
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        fields = dict(line.split(":", 1) for line in lines if ":" in line and not line[0].isspace())
        yield {key.strip().lower(): value.strip() for key, value in fields.items()}


def one_line_entries(text):
    """(uri, suites, options) of each line of a sources.list."""
    for match in re.finditer(r"^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)$", text, re.MULTILINE):
        options, uri, suite, components = match.groups()
        signed = re.search(r"signed-by=(\S+)", options or "")
        yield {"types": "deb", "uris": uri, "suites": suite, "components": components} | (
            {"signed-by": signed[1]} if signed else {}
        )


def own_source(folder=SOURCE_FOLDER):
    """The stanza of the machine's Debian mirror: URI and keyring."""
    found = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix in (".list", ".sources"):
            found += (stanzas if path.suffix == ".sources" else one_line_entries)(path.read_text())
    for entry in found:
        is_main = "main" in entry.get("components", "").split()
        if is_main and "deb" in entry.get("types", "") and set(entry.get("suites", "").split()) & set(SUITES):
            return entry
    raise Fail("no Debian 12 or 13 mirror in /etc/apt; Starina's libraries come from there: add one and repeat")


def configure(kind):
    """Writes the private configuration for "deb" or "deb-src"; returns apt-get's options for it."""
    folder = cache() / "apt" / kind
    for item in ("lists/partial", "archives/partial"):
        (folder / item).mkdir(parents=True, exist_ok=True)
    source = own_source()
    lines = [f"Types: {kind}", f"URIs: {source['uris']}", f"Suites: {' '.join(SUITES)}", "Components: main"]
    keyring = source.get("signed-by", "/usr/share/keyrings/debian-archive-keyring.gpg")
    (folder / "debian.sources").write_text("\n".join([*lines, f"Signed-By: {keyring}", ""]))
    settings = {
        "Dir::Etc::SourceList": folder / "debian.sources",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder,
        "APT::Sandbox::User": "root",
        "Acquire::Retries": "2",
        "Acquire::Languages": "none",
    }
    return [f"-o{key}={value}" for key, value in settings.items()]


def apt_get(options, *arguments, folder=None):
    command = ["apt-get", "-qq", *options, *arguments]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        raise Fail("apt-get is missing; Starina's libraries come from Debian: build on Debian 12") from None


def reason(*results):
    """The first thing that apt-get complained about."""
    lines = [line for result in results for line in result.stderr.splitlines() if line.startswith(("E:", "W:"))]
    return lines[0] if lines else f"apt-get ended with {results[-1].returncode}"


def download(recipe, folder):
    """Puts the recipe's tarball or package into the folder; uses the network."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = "deb" if recipe.kind == "package" else "deb-src"
    options = configure(kind)
    wanted = f"{recipe.package}/{recipe.suite}"
    action = ["download", wanted] if kind == "deb" else ["source", "--download-only", "--tar-only", wanted]
    progress(f"Downloading {recipe.name} {recipe.version} …")
    result = apt_get(options, *action, folder=folder)
    if result.returncode != 0:
        progress("Updating the package lists …")
        updated = apt_get(options, "update")
        progress(f"Downloading {recipe.name} {recipe.version} …")
        result = apt_get(options, *action, folder=folder)
        if result.returncode != 0:
            why = reason(updated, result)
            raise Fail(f"can't download {recipe.name}; check the network and repeat the command ({why})")
