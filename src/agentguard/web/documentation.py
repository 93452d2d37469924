"""The OpenAPI document, and /docs and /redoc from packaged files, without internet access."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from agentguard.accounts.principal import Permission
from agentguard.web.permissions import requires

_ASSETS = "/docs/assets"
_FILES = StaticFiles(directory=Path(str(files("fastapi_offline").joinpath("static"))))

router = APIRouter(include_in_schema=False, dependencies=[requires(Permission.READ)])


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def docs() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="AgentGuard API",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
    )


@router.get("/redoc")
async def redoc() -> HTMLResponse:
    return get_redoc_html(
        openapi_url="/openapi.json",
        title="AgentGuard API",
        redoc_js_url=f"{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{_ASSETS}/favicon.png",
        with_google_fonts=False,
    )


@router.get(f"{_ASSETS}/{{name}}")
async def asset(name: str, request: Request) -> Response:
    """Return a file of Swagger UI (Apache-2.0) or ReDoc (MIT), from the package fastapi-offline."""
    return await _FILES.get_response(name, request.scope)
