"""A browser shows the page, and the live panel is filled. SCREENSHOT=FILE keeps a picture of it."""

import os
import re
import subprocess

import pytest
from vm import ROOT, Machine

BROWSER = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000"]


def browse(url, profile, *options):
    command = [*BROWSER, f"--user-data-dir={profile}", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def text_of(page, identifier):
    return re.search(rf'id="{identifier}"[^>]*>([^<]*)<', page)[1]


@pytest.fixture(scope="module")
def machine():
    with Machine("--isolate", "virtio_net=kernel", system="web") as running:
        yield running


def test_live_panel_is_filled(machine, tmp_path):
    page = browse(machine.url(), tmp_path, "--dump-dom")
    assert re.fullmatch(r"[0-9.]+ (µs|ms|s)", text_of(page, "boot"))
    assert re.fullmatch(r"[0-9.]+ (µs|ms|s)", text_of(page, "uptime"))
    assert re.fullmatch(r"[0-9.]+ of [0-9.]+ MiB", text_of(page, "memory"))
    assert text_of(page, "cpus") == "1"
    assert re.fullmatch(r"[0-9a-f]{16}", text_of(page, "machine"))
    assert "booted in" in text_of(page, "fact")
    rows = re.findall(r"<tr><td[^>]*>(\w+)</td><td[^>]*><span[^>]*>(user|kernel)</span></td><td[^>]*>serving</td>", page)
    assert dict(rows) == {"init": "user", "virtio_net": "kernel", "tcpip": "user", "http_server": "user"}


def test_page_is_drawn(machine, tmp_path):
    picture = os.environ.get("SCREENSHOT", str(tmp_path / "page.png"))
    browse(machine.url(), tmp_path / "profile", "--window-size=1100,1180", f"--screenshot={picture}")
    with open(picture, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    assert os.path.getsize(picture) > 50_000


def test_picture_in_the_documentation_is_there():
    assert (ROOT / "docs/screenshot.png").stat().st_size > 50_000
