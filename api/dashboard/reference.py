"""The page `/docs`: Swagger UI on the document of the REST interface.

Its files come from an installed package: our content security policy lets pages load nothing from
other sites, and a service may have no way to them.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Literal

import fastapi_offline
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.dashboard.large_files import large_file
from api.dashboard.rendering import PageRoute, page

router = APIRouter(route_class=PageRoute)

_FILES = Path(fastapi_offline.__file__).parent / "static"
_VERSION = version("fastapi_offline")


@router.get("/docs")
def reference_page(request: Request) -> HTMLResponse:
    """Every operation of the REST interface, which can be tried here with a key."""
    return page(request, "reference.html", swagger_version=_VERSION)


@router.get("/static/swagger/{version}/{name}")
def swagger_file(
    request: Request, version: str, name: Literal["swagger-ui-bundle.js", "swagger-ui.css"]
) -> Response:
    """A file of Swagger UI; its address changes with the version of the package."""
    media_type = "text/css" if name.endswith(".css") else "text/javascript"
    return large_file(request, _FILES / name, media_type)
