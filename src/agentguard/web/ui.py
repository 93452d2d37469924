"""The web UI: its pages, and the files that they are made of.

`scripts/ui_build.py` puts both into the folder `_ui` of the package. All addresses in them are
relative and every page is one level deep, so they work below any prefix that a proxy takes off.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from agentguard.web.pages import UI_FILES, UI_PATHS, accepts_html
from agentguard.web.permissions import PUBLIC

FOLDER = Path(str(files("agentguard"))) / "_ui"
_MISSING = files("agentguard.web").joinpath("static/no_ui.html").read_text("utf-8")
_PAGE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'; object-src 'none'"
    ),
    "Cache-Control": "no-cache",
}
_NO_UI = _PAGE | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain",
}


class _BrowserRoute(APIRoute):
    """Matches requests that accept HTML; others go on to the next route of the path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if accepts_html(scope) else (Match.NONE, {})


router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])


def installed(folder: Path = FOLDER) -> bool:
    """Return whether this installation has the UI."""
    return (folder / "index.html").is_file()


async def page(request: Request) -> Response:
    """Return the one document of all pages or, without the UI, how to get it."""
    folder: Path = getattr(request.app.state, "ui", FOLDER)
    vary = {"Vary": "Accept"} if request.scope["path"] == "/" else {}
    if not installed(folder):
        return HTMLResponse(_MISSING, status_code=503, headers=_NO_UI | vary)
    return FileResponse(folder / "index.html", media_type="text/html", headers=_PAGE | vary)


@router.get(f"{UI_FILES}{{name}}")
async def file(name: str, request: Request) -> Response:
    """Return a file, whose name changes with its content; 404 for a name that no build gave."""
    folder: Path = getattr(request.app.state, "ui", FOLDER) / UI_FILES.strip("/")
    suffix = Path(name).suffix
    found = folder / name
    if suffix not in _TYPES or found.parent != folder or not found.is_file():
        raise HTTPException(404)
    small = folder / f"{name}.gz"
    if _accepts_gzip(request) and small.is_file():
        headers = _FOREVER | {"Content-Encoding": "gzip"}
        return FileResponse(small, media_type=_TYPES[suffix], headers=headers)
    return FileResponse(found, media_type=_TYPES[suffix], headers=_FOREVER)


def _accepts_gzip(request: Request) -> bool:
    accepted = request.headers.get("accept-encoding", "")
    return "gzip" in (each.strip() for each in accepted.split(","))


router.add_api_route("/", page, methods=["GET"], route_class_override=_BrowserRoute)
for _path in sorted(UI_PATHS):
    router.add_api_route(_path, page, methods=["GET"])
