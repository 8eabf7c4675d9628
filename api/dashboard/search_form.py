"""The form for a search: its fields, the body of the request they stand for, and their errors."""

import json
import re
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from api.priorities import Priority
from api.schemas.searches import SearchOut
from api.store import searches
from api.store.keys import Caller
from core.errors import InvalidInput
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.tasks import TASKS

Fields = dict[str, str]  # texts of the form by name

#: Where the body of `POST /v1/searches` has the value of each field.
PATHS: dict[str, tuple[str, ...]] = {
    "dataset": ("dataset",),
    "trials": ("budget", "trials"),
    "minutes": ("budget", "seconds"),
    "root": ("root",),
    "keep_accuracy": ("keep_accuracy",),
    "strategy": ("strategy",),
    "options": ("strategy_options",),
    "metric": ("metric",),
    "cost": ("cost",),
    "parallelism": ("parallelism",),
    "priority": ("priority",),
    "seed": ("seed",),
    "name": ("name",),
    "parameters": ("bounds", "parameters"),
    "flops": ("bounds", "flops"),
    "latency": ("bounds", "latency"),
    "morphisms": ("bounds", "morphisms"),
    "without_layers": ("bounds", "without_layers"),
    "epochs": ("training", "epochs"),
    "batch_size": ("training", "batch_size"),
    "optimiser": ("training", "optimiser"),
    "learning_rate": ("training", "learning_rate"),
    "augmentation": ("training", "augmentation"),
    "split_seed": ("training", "split_seed"),
    "class_weights": ("training", "class_weights"),
    "ensemble": ("training", "ensemble"),
    "int8": ("int8",),
}
_TEXTS = frozenset(
    {"dataset", "name", "root", "strategy", "metric", "cost", "optimiser", "augmentation",
     "class_weights", "priority"}
)  # fmt: skip
FLAGS = frozenset({"keep_accuracy", "int8"})  # boxes to tick
_LISTS = frozenset({"morphisms", "without_layers"})  # names separated by commas
#: Texts that are taken for granted where the request or the command leaves them out.
USUAL = {
    "strategy": "bayesian", "parallelism": "1", "seed": "0", "augmentation": "auto",
    "priority": Priority.NORMAL.value,
}  # fmt: skip
DEFAULTS = {"trials": "12", **USUAL}
#: The choice of augmentation that has the examples as they are, as `--no-augmentation` has them.
PLAIN = "plain"
_PLAIN_TRAINING = {"augmentation": "none", "erasing": 0, "mixing": 0}
#: The unit of a field in units of the body, and its name.
_UNITS = {"minutes": (60.0, "minutes"), "latency": (0.001, "milliseconds")}
_MODELS: dict[str, type[BaseModel]] = {"minutes": Budget, "latency": Bounds}
#: Fields that share a row with another: their messages stand under both and name the field.
_LABELS = {
    "trials": "Trials", "parallelism": "Trials at once", "seed": "Seed", "flops": "FLOPs",
    "parameters": "Parameters", "epochs": "Epochs of a trial", "batch_size": "Batch size",
    "learning_rate": "Learning rate", "split_seed": "Seed of the validation split",
}  # fmt: skip
#: Words of the validation and those of the form, in the order in which they are replaced.
_WORDS = {
    "Input should be ": "expected ", "String should have ": "expected ",
    "expected greater than or equal to": "expected at least",
    "expected less than or equal to": "expected at most",
    "expected greater than": "expected a number greater than",
    "expected less than": "expected a number less than",
    "a valid number, unable to parse string as a number": "a number",
}  # fmt: skip
#: Words of a refused request and those of the form.
_REFUSALS = {
    "expected `root`, an uploaded network": "choose a network to start from",
    "training.ensemble is": "the number of networks in the exported model is",
    "upload it with POST /v1/networks": "choose one of the list",
}
_ITEM = re.compile(r"\s*([^\s=,]+)\s*=\s*([^,]*?)\s*")


# --- the form and the body --------------------------------------------------------------------


def fields_of(search: SearchOut) -> Fields:
    """The form for the same search again: a low priority is kept, a high one is not."""
    is_low = search.priority is Priority.LOW
    body = request_of(search) | {"priority": Priority.LOW if is_low else USUAL["priority"]}
    fields = {"like": str(search.id)}
    for name, path in PATHS.items():
        value: Any = body
        for part in path:
            value = (value or {}).get(part)
        fields[name] = "" if value is None else _text(name, value)
    if is_plain(body):
        fields["augmentation"] = PLAIN
    return fields


def _text(name: str, value: Any) -> str:
    """A value of the body as a field has it."""
    if name in FLAGS:
        return "yes" if value else ""
    if name == "options":
        return options_text(value)
    if name in _LISTS:
        return ",".join(value)
    return f"{value / _UNITS[name][0]:.6g}" if name in _UNITS else str(value)


def options_text(options: dict[str, Any]) -> str:
    """Options of a strategy as they are typed: "population=20, tournament=5"."""
    return ", ".join(f"{name}={_option_text(value)}" for name, value in options.items())


def _option_text(value: float | str | bool) -> str:
    """A value as it is typed; a whole number without its ".0"."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def request_of(search: SearchOut) -> dict[str, Any]:
    """The body of `POST /v1/searches` that requests the same search again, without its name."""
    names = set(SearchConfig.model_fields) & set(SearchOut.model_fields)
    body = search.model_dump(mode="json", include=names, exclude_none=True)
    chosen, usual = TASKS[search.task](search.metric).chosen, TASKS[search.task]().chosen
    metric = {} if chosen is usual else {"metric": chosen.kind}
    return (
        {k: v for k, v in body.items() if k != "metric"}
        | metric
        | {"dataset": str(search.dataset.id)}
    )


def liked(session: Session, caller: Caller, fields: Fields) -> SearchOut | None:
    """The search whose settings the form started with, if any."""
    return searches.get(session, caller, _id(fields["like"])) if fields.get("like") else None


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput(f"form: found {text!r}; expected the id of a search") from None


def body_of(fields: Fields, like: SearchOut | None) -> dict[str, Any]:
    """The form as the body of `POST /v1/searches`; text that is no number stays as it is."""
    body = {} if like is None else request_of(like)
    body.setdefault("budget", {})
    if is_plain(body):  # what the choice stands for goes with it
        body["training"] = {k: v for k, v in body["training"].items() if k not in _PLAIN_TRAINING}
    for name, path in PATHS.items():
        _put(body, path, _value(name, fields[name]))
    if fields["augmentation"] == PLAIN:
        body["training"] = body.get("training", {}) | _PLAIN_TRAINING
    if like is not None and not fields["name"]:
        body["name_after"] = str(like.id)
    return body


def is_plain(body: dict[str, Any]) -> bool:
    """Whether a request has the examples as they are."""
    training: dict[str, Any] = body.get("training", {})
    return _PLAIN_TRAINING.items() <= training.items()


def _put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put a value where the path leads; None takes away what is there."""
    *above, last = path
    for part in above:
        if value is None and part not in body:
            return
        body = body.setdefault(part, {})
    if value is None:
        body.pop(last, None)
    else:
        body[last] = value


def _value(name: str, text: str) -> Any:
    if not text or (name in {"augmentation", "priority"} and text == USUAL[name]):
        return None
    if name in FLAGS:
        return True
    if name in _TEXTS:
        return text
    if name == "options":
        return _options(text)
    if name in _LISTS:
        return [one.strip() for one in text.split(",") if one.strip()]
    value = number(text)
    return value * _UNITS[name][0] if name in _UNITS and not isinstance(value, str) else value


def _options(text: str) -> dict[str, Any] | str:
    """The options by name; the text where it has another form."""
    found = [_ITEM.fullmatch(part) for part in text.split(",") if part.strip()]
    if not all(found):
        return text
    return {one[1]: _json(one[2]) for one in found if one is not None}


def _json(text: str) -> Any:
    """A number, true or false; else the text."""
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def number(text: str) -> int | float | str:
    """The number that a text is, or the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


# --- errors -----------------------------------------------------------------------------------


def errors_by_field(error: ValidationError) -> Fields:
    """The first message for each field of the form."""
    fields = {path: name for name, path in PATHS.items()}
    messages: Fields = {}
    for one in error.errors():
        location = tuple(str(part) for part in one["loc"])
        field = fields.get(location[:2]) or fields.get(location[:1]) or "form"
        if location == ("budget",):
            field = "trials"
        messages.setdefault(field, _message(field, location, one["msg"]))
    return messages


def _message(field: str, location: tuple[str, ...], message: str) -> str:
    """What is wrong, in the words and units of the form."""
    if location == ("budget",):
        return "give a number of trials, or minutes, or both"
    if field == "options":
        return "expected NAME=VALUE, several separated by commas, such as population=20"
    if field in _UNITS:
        return range_of(field)
    words = in_words(message)
    if field == "form":
        return f"{': '.join(location)}: {words}"
    return f"{_LABELS[field]}: {words}" if field in _LABELS else words


def refusal(message: str) -> Fields:
    """The message about a refused request beside its field, in the words of the form."""
    field, _, words = message.partition(": ")
    for theirs, ours in _REFUSALS.items():
        words = words.replace(theirs, ours)
    return {field: words} if field in PATHS else {"form": message}


def in_words(message: str) -> str:
    """A message of the validation in the words of forms."""
    words = message.removeprefix("Value error, ")
    for theirs, ours in _WORDS.items():
        words = words.replace(theirs, ours)
    return "expected a whole number" if words.startswith("expected a valid integer") else words


def range_of(field: str) -> str:
    """The values that a field with a unit of its own may have."""
    least, most = _limit(field, "ge"), _limit(field, "le")
    return f"expected {_UNITS[field][1]} from {least:.2g} to {most:,.0f}"


def _limit(field: str, name: str) -> float:
    """The least ("ge") or the largest ("le") value of a field in its unit."""
    known = _MODELS[field].model_fields[PATHS[field][-1]].metadata
    limit: float = next(getattr(one, name) for one in known if hasattr(one, name))
    return limit / _UNITS[field][0]
