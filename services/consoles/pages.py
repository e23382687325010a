"""What browsers load: the page around noVNC, and spice-html5 where the operator has it.

Owns: the paths of pages and their headers. May not: see a token; the page hands it on itself.
Crash story: none; files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

HERE = Path(__file__).parent
PAGES = HERE / "pages"
VNC_PAGES = ("/vnc_auto.html", "/vnc_lite.html", "/vnc.html")
"""Under every name that deployments use."""
SPICE_PAGE = "/spice_auto.html"

OURS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'"
)
FOREIGN = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:"
)
"""spice-html5 has scripts in its page."""


def mount(app: web.Application, spice_html5: Path | None) -> None:
    """Add the pages to `app`."""
    for path in VNC_PAGES:
        app.router.add_get(path, _file(PAGES / "vnc.html"))
    for name in ("console.js", "console.css"):
        app.router.add_get(f"/{name}", _file(PAGES / name))
    app.router.add_static("/novnc/", HERE / "novnc")
    if spice_html5 is not None:
        app.router.add_static("/", spice_html5)
    else:
        app.router.add_get(SPICE_PAGE, _file(PAGES / "no_spice_page.html", status=404))
    app.on_response_prepare.append(_headers(OURS if spice_html5 is None else FOREIGN))


def _file(path: Path, status: int = 200) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(path, status=status)

    return serve


def _headers(
    policy: str,
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def add(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Server"] = "muster"
        headers["Referrer-Policy"] = "no-referrer"  # a page's address has the token in it
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Content-Security-Policy"] = policy
        if request.path in {*VNC_PAGES, SPICE_PAGE}:
            headers["Cache-Control"] = "no-store"
        else:
            headers.setdefault("Cache-Control", "no-cache")

    return add
