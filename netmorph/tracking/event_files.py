"""Event files of TensorBoard: a folder for each trial, with its curves, facts and parameters.

The files themselves say what has been written: they are read before more is added. Their form is
that of TFRecord: length (8 bytes), its checksum (4), an event, its checksum (4).
"""

import time
from collections.abc import Iterator
from ctypes import c_float
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netmorph.answers import Search, Trial
from netmorph.errors import ClientError
from netmorph.report import plain_name
from netmorph.tracking.facts import (
    Point,
    Source,
    Tracked,
    curves,
    package,
    parameters,
    results,
    title,
    words,
)

_HPARAMS = "_hparams_/session_start_info"  # the tag that TensorBoard finds hyper-parameters by


@dataclass(slots=True)
class _Written:
    """What the event files of a trial have."""

    scalars: dict[tuple[str, int], float] = field(default_factory=dict)  # by name and step
    texts: dict[str, str] = field(default_factory=dict)  # the last one by name
    tags: set[str] = field(default_factory=set)


def to_tensorboard(client: Source, search_id: str, folder: Path) -> Tracked:
    """Write the trials of a search that have epochs as runs of TensorBoard.

    The run of trial 3 is the folder `NAME-ID/trial-003` in `folder`, with scalars by epoch, facts
    as a text and, once it has ended, its hyper-parameters and results. Where a trial was begun
    again, the epochs that it repeats replace those of the attempt before.

    Raises:
        ClientError: tensorboardX is not installed, or the folder cannot be written.
    """
    board = package("tensorboardX", "tensorboard")
    search = client.search(search_id)
    trials = points = 0
    for trial in client.trials(search_id):
        if found := curves(client, search, trial):
            run = folder / plain_name(search) / f"trial-{trial['number']:03}"
            try:
                points += _update(board, run, search, trial, found)
            except OSError as error:
                reason = error.strerror or str(error)
                raise ClientError(
                    f"{run} cannot be written: {reason}; give another folder"
                ) from None
            trials += 1
    return Tracked(trials, points)


def _update(board: Any, run: Path, search: Search, trial: Trial, points: list[Point]) -> int:
    """Add to a run what its files do not have; return the number of new points."""
    written = _read(board, run)
    restart = _first_wrong(written, points)
    new = [
        one
        for one in points
        if (one.name, one.step) not in written.scalars
        or (restart is not None and one.step >= restart)
    ]
    text = _table(search, trial)
    is_told = written.texts.get("trial/text_summary") == text
    is_ended = trial["ended_at"] is not None and _HPARAMS not in written.tags
    if not new and is_told and not is_ended and restart is None:
        return 0
    with board.SummaryWriter(
        str(run),
        purge_step=restart,
        filename_suffix=f".{time.time_ns()}",  # the rest of the name is the same for a second
    ) as writer:
        for one in new:
            writer.add_scalar(one.name, one.value, one.step, walltime=one.at)
        step = points[-1].step
        if not is_told:
            writer.add_text("trial", text, step)
        if is_ended:
            measured = {f"trial/{name}": one for name, one in results(search, trial).items()}
            hyper = parameters(search, trial) | {"status": trial["status"]}
            writer.add_hparams(hyper, measured, name=".", global_step=step)
    return len(new)


def _first_wrong(written: _Written, points: list[Point]) -> int | None:
    """The first step at which the files have another value than the curves, if there is one."""
    # An event has 32 bits for a number.
    expected = {(one.name, one.step): c_float(one.value).value for one in points}
    names = {one.name for one in points}
    return min(
        (
            key[1]
            for key, value in written.scalars.items()
            if key[0] in names and expected.get(key) != value
        ),
        default=None,
    )


def _table(search: Search, trial: Trial) -> str:
    """The facts of a trial as a table in Markdown, which TensorBoard shows."""
    facts = {**parameters(search, trial), **results(search, trial), **words(search, trial)}
    rows = [f"| {name} | {str(value).replace('|', '/')} |" for name, value in facts.items()]
    return "\n".join([f"| {title(trial)} | {search['name'].replace('|', '/')} |", "|-|-|", *rows])


def _read(board: Any, run: Path) -> _Written:
    """What the event files of a run have, in the order in which they were written."""
    written = _Written()
    for file in sorted(run.glob("events.out.tfevents.*")):
        for event in _events(board, file):
            if event.HasField("session_log"):  # the run went on from this step
                kept = written.scalars.items()
                written.scalars = {key: one for key, one in kept if key[1] < event.step}
            for value in event.summary.value:
                written.tags.add(value.tag)
                if value.HasField("simple_value"):
                    written.scalars[value.tag, event.step] = value.simple_value
                elif value.tensor.string_val:
                    written.texts[value.tag] = value.tensor.string_val[0].decode()
    return written


def _events(board: Any, file: Path) -> Iterator[Any]:
    """The events of a file; the last one may be cut off, where a call was interrupted."""
    with file.open("rb") as stream:
        while len(head := stream.read(12)) == 12:
            length = int.from_bytes(head[:8], "little")
            body = stream.read(length + 4)
            if len(body) < length + 4:
                return
            yield board.proto.event_pb2.Event.FromString(body[:length])
