"""The dashboard: server-rendered pages beside the REST interface, live without reload.

Stateless: any replica serves any page. `visitors` signs people in and out; `live` serves the events
and figures that pages fetch; `rendering` has the templates; all other modules are pages and forms.
"""

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles

from api.dashboard import (
    compare,
    compare_trials,
    dataset_pages,
    forms,
    key_settings,
    live,
    managing,
    overviews,
    pages,
    reference,
    rendering,
    reports,
    search_pages,
    settings_page,
    submission,
    trial_exports,
    visitors,
    webhook_settings,
    worker_pages,
)
from api.dashboard.large_files import large_file
from api.dashboard.rendering import errors_as_pages

__all__ = ["dashboard_router", "errors_as_pages", "mount_static"]

#: Fixed addresses come before those with a variable part.
_PARTS = (
    visitors, pages, trial_exports, submission, managing, reports, search_pages, compare,
    compare_trials, forms, overviews, worker_pages, dataset_pages, settings_page, key_settings,
    webhook_settings, live, reference,
)  # fmt: skip
_HERE = Path(__file__).parent


def dashboard_router() -> APIRouter:
    """All pages; not part of the documented REST interface."""
    router = APIRouter(include_in_schema=False)
    for part in _PARTS:
        router.include_router(part.router)

    @router.get("/static/plotly-{version}.min.js")
    def plotly_script(request: Request, version: str) -> Response:
        """Plotly's script, from the installed package; the address changes with its version."""
        return large_file(request, rendering.PLOTLY_SCRIPT, "text/javascript")

    return router


def mount_static(app: FastAPI) -> None:
    """Serve the style sheet and the script that pages load."""
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
