"""Templates, and how values look on pages."""

import hashlib
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import plotly
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from api.edge.errors import STATUSES, ErrorHandler, validation_detail
from api.pictures.learning_curves import CURVES
from api.priorities import Priority
from api.schemas.searches import SearchOut
from api.store import quotas
from api.store.keys import Caller
from core.data.statistics import number_in_words
from core.errors import NetmorphError
from core.graph.architecture import Architecture
from core.protocol.states import LIVE_SEARCH, SearchStatus
from core.tasks.metric import in_words

_HERE = Path(__file__).parent
PLOTLY_SCRIPT = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

_FAR = 10  # standard deviations
_QUOTED = re.compile(r"`([^`]+)`")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_environment = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A rendered template; all of them know the `visitor` and the token for forms."""
    visitor = getattr(request.state, "visitor", None)
    common = {"visitor": visitor, "path": request.scope["path"], "token": visitor and visitor.token}
    return HTMLResponse(_environment.get_template(name).render(common | values), status)


class PageRoute(APIRoute):
    """A route whose errors are shown as pages."""

    def plain_handler(self) -> Handler:
        """The usual handler, whose errors are not shown."""
        return super().get_route_handler()

    def get_route_handler(self) -> Handler:
        """The plain handler; errors meant for the visitor are shown as a page."""
        handle = self.plain_handler()

        async def handle_or_show(request: Request) -> Response:
            try:
                return await handle(request)
            except HTTPException as error:
                if error.status_code in (HTTPStatus.SEE_OTHER, HTTPStatus.UNAUTHORIZED):
                    raise
                shown = _error_page(request, error.status_code, str(error.detail))
                shown.headers.update(error.headers or {})
                return shown
            except RequestValidationError as error:
                status = HTTPStatus.UNPROCESSABLE_ENTITY
                return _error_page(request, status, _invalid(error))
            except NetmorphError as error:
                status = next(status for kind, status in STATUSES if isinstance(error, kind))
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                return _error_page(request, status, str(error))

        return handle_or_show


_TITLES: dict[int, str] = {HTTPStatus.UNPROCESSABLE_ENTITY: "Invalid request"}
#: What a visitor reads in place of the detail of the problem.
_SHOWN: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "there is no page at this address",
    HTTPStatus.METHOD_NOT_ALLOWED: "there is no page at this address: a form sends to it",
    HTTPStatus.UNAUTHORIZED: "your session has ended: sign in again",
}
_KEPT = ("allow", "retry-after")  # headers of a problem that its page has, too


def errors_as_pages(handle: ErrorHandler) -> ErrorHandler:
    """The handler of an error; a browser that asks for a page sees the problem as a page.

    Paths of the REST interface are left out: there also a browser gets the problem document.
    """

    def show(request: Request, error: Exception) -> Response:
        problem = handle(request, error)
        is_browser = "text/html" in request.headers.get("accept", "")
        is_rest = request.scope["path"].startswith("/v1/")
        status = problem.status_code
        if not is_browser or is_rest or status < HTTPStatus.BAD_REQUEST:
            return problem
        detail = _SHOWN.get(status) or json.loads(bytes(problem.body))["detail"]
        answer = _error_page(request, status, detail)
        answer.headers.update({k: problem.headers[k] for k in _KEPT if k in problem.headers})
        return answer

    return show


def _invalid(error: RequestValidationError) -> str:
    """What is wrong with a request; a visitor knows no names of the parts of an address."""
    if all(one["loc"][0] == "path" for one in error.errors()):
        return _SHOWN[HTTPStatus.NOT_FOUND]
    return validation_detail(error)


def _error_page(request: Request, status: int, detail: str) -> Response:
    title = _TITLES.get(status) or HTTPStatus(status).phrase.capitalize()
    return page(request, "error.html", status, title=title, detail=detail)


def architecture_of(stored: Any) -> Architecture | None:
    """The architecture of stored JSON; None where another release wrote it."""
    try:
        return Architecture.from_json(stored)
    except NetmorphError:
        return None


# --- filters ----------------------------------------------------------------------------------


def metric(value: float | None, search: SearchOut, std: float | None = None) -> str:
    """A metric as its search writes it, with the standard error where it is known."""
    return "–" if value is None else in_words(value, std, in_percent=search.in_percent)


def spread(std: float | None, search: SearchOut) -> str:
    """The standard error of a metric, below it: "± 0.31"; empty where it is not known."""
    if std is None:
        return ""
    _, sign, words = in_words(0.0, std, in_percent=search.in_percent).partition("± ")
    return sign + words


def deviation(value: float, mean: float, std: float) -> str:
    """How far a value is from its prediction: "-1.4 σ"; far away only that it is."""
    found = (value - mean) / std
    if abs(found) > _FAR:  # a surrogate of few trials may be sure to any number of digits
        return f"{'above' if found > 0 else 'below'} by over {_FAR} σ"
    return f"{found:+z.1f} σ"  # no "-0.0"


def measured(measures: Mapping[str, float]) -> str:
    """Further measures of a network, each a number with its name: "RMSE 54.3, MAE 43.1"."""
    return ", ".join(f"{name} {value:.4g}" for name, value in measures.items())


def duration(seconds: float | None) -> str:
    """ "4 s", "3 min 20 s", "2 h 5 min", "10 min"."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def milliseconds(seconds: float | None) -> str:
    """ "0.214 ms": three significant digits."""
    if seconds is None:
        return "–"
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else f"{1000 * seconds:,.0f} ms"


_UNITS = (
    (timedelta(days=1), "day"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)  # fmt: skip


def ago(moment: datetime, now: datetime) -> str:
    """How long before `now`, in the largest unit that fits: "3 min ago"."""
    passed = now - moment
    for unit, name in _UNITS:
        if passed >= unit:
            count = passed // unit
            return f"{count} {name}{'s' if name == 'day' and count > 1 else ''} ago"
    return "just now"


def task_words(kind: str) -> str:
    """A task type as people read it: its oldest kind classifies more than images."""
    return kind.removeprefix("image-").replace("-", " ")


def first_upper(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def sentences(text: str) -> Markup:
    """A message as sentences of a page, with what it quotes by backticks as code."""
    ended = first_upper(text) if text.endswith((".", "!", "?")) else f"{first_upper(text)}."
    return Markup(_QUOTED.sub(r"<code>\1</code>", str(escape(ended))))


def size(bytes_: int) -> str:
    """ "87 KiB", "3.4 MiB", "512 MiB": of a file."""
    kib = bytes_ / 1024
    if kib < 1024:
        return f"{max(1, round(kib))} KiB"
    return f"{kib / 1024:.3g} MiB" if kib < 1024**2 else f"{kib / 1024**2:.3g} GiB"


def number(value: float | None) -> str:
    """A number with separators between thousands."""
    return "–" if value is None else f"{value:,.0f}"


def progress(search: SearchOut) -> list[tuple[str, float, float, str]]:
    """(unit, spent, limit, text) for each limit of the budget."""
    budget, used = search.budget, search.used
    rows: list[tuple[str, float, float, str]] = []
    if budget.trials is not None:
        rows.append(("trials", used.trials, budget.trials, f"{used.trials:,} of {budget.trials:,}"))
    if budget.epochs is not None:
        rows.append(("epochs", used.epochs, budget.epochs, f"{used.epochs:,} of {budget.epochs:,}"))
    if budget.seconds is not None:
        words = f"{duration(used.seconds)} of {duration(budget.seconds)}"
        rows.append(("time", min(used.seconds, budget.seconds), budget.seconds, words))
    return rows


def priorities(caller: Caller, present: str) -> list[Priority]:
    """The priorities that a form offers: those that the caller may set, and the present one."""
    return [one for one in Priority if one in quotas.priorities(caller) or one == present]


def actions(search: SearchOut) -> list[tuple[str, str]]:
    """(action, label) of each button that is of use now."""
    if search.status not in LIVE_SEARCH:
        return [("delete", "Delete")]
    buttons = [("stop", "Stop")]
    if search.best is not None and search.status is not SearchStatus.FINISHING:
        buttons = [("finish", "Finish now"), *buttons]
    if search.status is SearchStatus.PAUSED:
        return [("resume", "Resume"), *buttons]
    if search.status in (SearchStatus.PENDING, SearchStatus.RUNNING):
        return [("pause", "Pause"), *buttons]
    return buttons


def _plotly_marks() -> list[str]:
    """Ids of elements that tell Plotly that its own style sheet is in the page already.

    The style sheet is for maps, which we do not use; our content security policy would block it.
    """
    script = PLOTLY_SCRIPT.read_text(encoding="utf-8")
    return re.findall(r'getElementById\("([0-9a-f]{64})"\)', script)


def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


_environment.filters |= {
    "metric": metric,
    "spread": spread,
    "measured": measured,
    "deviation": deviation,
    "duration": duration,
    "milliseconds": milliseconds,
    "ago": ago,
    "number": number,
    "number_in_words": number_in_words,
    "size": size,
    "first_upper": first_upper,
    "sentences": sentences,
    "task_words": task_words,
    "progress": progress,
    "actions": actions,
    "priorities": priorities,
}
_environment.globals |= {
    "plotly_version": plotly.__version__,
    "plotly_marks": _plotly_marks(),
    "css_version": _version(_HERE / "static" / "netmorph.css"),
    "js_version": _version(_HERE / "static" / "netmorph.js"),
    "reference_version": _version(_HERE / "static" / "reference.js"),
    "curves": CURVES,
    "live_statuses": frozenset(status.value for status in LIVE_SEARCH),
}
