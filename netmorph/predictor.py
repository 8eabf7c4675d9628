"""Predictions of an exported network in this process.

The files of an export are data: the program that reads them is the one of this installation, never
the `predict.py` beside them, which may come from another machine.
"""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from netmorph.errors import ClientError

if TYPE_CHECKING:  # most commands need no numpy, which takes a tenth of a second
    from numpy.typing import NDArray

#: By name, as `import netmorph` must not load torch.
_PROGRAM = "worker.trainer.export.predict"
_TORCH_PROGRAM = "worker.trainer.export.torch_program"
_FILES = ("model.json", "classes.json", "preprocess.json", "weights.safetensors")


class Predictor(Protocol):
    """A network that is ready to predict."""

    classes: list[str]
    shape: tuple[int, ...]  # of one example
    padded: str | None  # the axes of signals of different lengths
    table: Any  # of a network for tables: turns rows into what it reads
    text: Any  # of a network for texts: likewise

    def probabilities(self, x: "NDArray[Any]") -> "NDArray[Any]":
        """(N, ...) -> (N, classes)"""

    def values(self, x: "NDArray[Any]") -> "NDArray[Any]":
        """(N, ...) -> (N, targets)"""


@lru_cache(maxsize=4)
def load(archive: bytes) -> Predictor:
    """The network in the archive of an export.

    Raises:
        ClientError: torch is not installed.
    """
    program = _program()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as file,
        tempfile.TemporaryDirectory(prefix="netmorph-") as folder,
    ):
        for name in _FILES:
            (Path(folder) / name).write_bytes(file.read(name))
        return cast(Predictor, program.Model(Path(folder)))


def predict_files(folder: Path, arguments: list[str]) -> None:
    """Print the predictions of an export for the files and options in `arguments`.

    Raises:
        ClientError: the folder is no export, the examples cannot be used, or torch is missing.
    """
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ClientError(
            f"{folder} is no export: it has no {missing[0]}; expected the folder that "
            "`netmorph export` has written"
        )
    with _exits_are_errors():
        _program().main(folder, arguments)


def write_torch_program(folder: Path) -> Path:
    """Write the network of an export as `model.pt2` into its folder, checked; return its path.

    Raises:
        ClientError: torch is missing, or the file would not predict as the network does.
    """
    with _exits_are_errors():
        return cast(Path, _program(_TORCH_PROGRAM).write(folder))


def require_torch() -> None:
    """Raise ClientError where torch is not installed."""
    if find_spec("torch") is None:
        raise _torch_is_missing()


@contextlib.contextmanager
def _exits_are_errors() -> Iterator[None]:
    """Raise ClientError where a program of an export ends with a message."""
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.code, str):
            raise ClientError(ended.code.removeprefix("error: ")) from None
        raise


def _program(name: str = _PROGRAM) -> Any:
    """A program of an export, as this installation has it."""
    try:
        return import_module(name)
    except (ImportError, SystemExit):
        raise _torch_is_missing() from None


def _torch_is_missing() -> ClientError:
    return ClientError(
        "this needs the package torch, which is not installed: pip install 'netmorph[worker]'"
    )


@contextlib.contextmanager
def wrong_input_is_value_error() -> Iterator[None]:
    """Raise ValueError, which scikit-learn expects, for examples that a network cannot read."""
    try:
        yield
    except import_module(_PROGRAM).InputError as error:
        raise ValueError(str(error)) from None
