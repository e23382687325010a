"""What browsers load from the console proxy."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from services import consoles as package
from tests.functional.consoles.conftest import Consoles

NOVNC = Path(package.__file__).parent / "novnc"


def test_the_packaged_novnc_is_what_was_published() -> None:
    lines = (NOVNC / "SHA256SUMS").read_text().splitlines()
    listed = {path: digest for digest, path in (line.split("  ./") for line in lines)}
    found = {
        str(path.relative_to(NOVNC)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in NOVNC.rglob("*")
        if path.is_file() and path.name not in {"SHA256SUMS", "README.md"}
    }
    assert found == listed
    assert "MPL 2.0" in (NOVNC / "LICENSE.txt").read_text()


async def test_every_script_of_the_page_is_there(consoles: Consoles) -> None:
    port = consoles.cluster.members["consoles"].service.port
    base = f"http://127.0.0.1:{port}"
    http = consoles.cluster.http
    waiting, seen = ["/console.js"], set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        async with http.get(base + path) as answer:
            assert answer.status == 200, path
            assert "javascript" in answer.content_type
            text = await answer.text()
        for target in re.findall(r"^import [^;]*?[\"'](\.[^\"']+)[\"']", text, re.MULTILINE):
            waiting += {urljoin(path, target)} - seen
    assert len(seen) > 30


@pytest.mark.parametrize("page", ["vnc_auto.html", "vnc_lite.html", "vnc.html"])
async def test_the_page(consoles: Consoles, server_id: str, page: str) -> None:
    url = (await consoles.url(server_id)).replace("vnc_auto.html", page)
    async with consoles.cluster.http.get(url) as answer:
        assert answer.status == 200
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert "noVNC" in await answer.text()


@pytest.mark.parametrize("path", ["/novnc/", "/novnc/../app.py", "/app.py", "/proxy.py", "/x"])
async def test_nothing_else_is_served(consoles: Consoles, path: str) -> None:
    port = consoles.cluster.members["consoles"].service.port
    async with consoles.cluster.http.get(f"http://127.0.0.1:{port}{path}") as answer:
        assert answer.status in {403, 404}


async def test_spice_html5_is_served_where_the_operator_has_it(
    consoles: Consoles,
    tmp_path: Path,
) -> None:
    port = consoles.cluster.members["consoles"].service.port
    async with consoles.cluster.http.get(f"http://127.0.0.1:{port}/spice_auto.html") as answer:
        assert answer.status == 404
        assert "spice_html5_dir" in await answer.text()
    await consoles.cluster.stop_member("consoles")
    (tmp_path / "spice_auto.html").write_text("<html>spice</html>")
    await consoles.cluster.start_consoles(spice_html5_dir=str(tmp_path))
    port = consoles.cluster.members["consoles"].service.port
    async with consoles.cluster.http.get(f"http://127.0.0.1:{port}/spice_auto.html") as answer:
        assert await answer.text() == "<html>spice</html>"
        assert "'unsafe-inline'" in answer.headers["Content-Security-Policy"]
    async with consoles.cluster.http.get(f"http://127.0.0.1:{port}/vnc_auto.html") as answer:
        assert answer.status == 200
