"""GET /sign-in: the page that signs in, or sets up the first administrator."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from agentguard.web.headers import UNCACHED
from agentguard.web.permissions import PUBLIC

router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])

_FOLDER = files("agentguard.web").joinpath("static")
_PAGE = _FOLDER.joinpath("sign_in.html").read_text("utf-8")
_SCRIPT = _FOLDER.joinpath("sign_in.js").read_text("utf-8")
_HEADERS = UNCACHED | {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


@router.get("/sign-in")
async def page(request: Request) -> Response:
    """Return the page; without scripts, it says what to do instead."""
    offered = request.app.state.agentguard.app.settings.oidc_issuer is not None
    hidden = "" if offered else " hidden"
    return HTMLResponse(_PAGE.replace("{sso_hidden}", hidden), headers=_HEADERS)


@router.get("/sign-in/page.js")
async def script() -> Response:
    """Return the page's script."""
    return Response(_SCRIPT, media_type="text/javascript", headers=_HEADERS)
