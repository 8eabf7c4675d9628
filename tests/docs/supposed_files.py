"""The files and searches that the how-to pages suppose: small, and made up."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits

ROWS = 60


def _table(header: str, row: Callable[[int], str]) -> Callable[[Path], None]:
    lines = [header, *(row(k) for k in range(ROWS))]
    return lambda path: _write(path, "\n".join(lines) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _images(path: Path) -> None:
    """An npz file of small grey images of two classes."""
    x = np.random.default_rng(0).integers(0, 256, (ROWS, 6, 6), dtype=np.uint8)
    np.savez(path, x=x, y=np.arange(ROWS) % 2)


def _digits(path: Path) -> None:
    digits = load_digits()
    np.savez(path, x=digits.images[:200].astype(np.uint8), y=digits.target[:200])


def _folder(path: Path) -> None:
    """A folder with a folder of pictures for each class."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (path / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 256, (6, 6), dtype=np.uint8)
            Image.fromarray(pixels).save(path / name / f"{number}.png")


def _network(path: Path) -> None:
    """A linear classifier of the digits as an ONNX file."""
    weights = np.random.default_rng(0).normal(size=(10, 64)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["y"], transB=1),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.zeros(10, np.float32), "bias"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


_CUSTOMERS = _table("age,plan,calls,churned", lambda k: f"{20 + k},{'ab'[k % 2]},{k % 7},{k % 2}")

#: How each file is made that a page names and does not make itself.
FILES: dict[str, Callable[[Path], None]] = {
    "customers.csv": _CUSTOMERS,
    "train.csv": _CUSTOMERS,
    "test.csv": _CUSTOMERS,
    "visits.csv": _table("patient,age,ill", lambda k: f"p{k // 3},{20 + k * 7 % 50},{k % 2}"),
    "sales.csv": _table("day,price,sold", lambda k: f"2026-01-{1 + k % 28:02},{k % 9},{k / 4}"),
    "reviews.csv": _table("review,stars", lambda k: f"it {k} was {'bad' * (k % 2)},{k % 2}"),
    "patients.csv": _table("age,score,outcome", lambda k: f"{20 + k},{k * 7 % 11},{k % 2}"),
    "leaves.npz": _images,
    "pets/": _folder,
    "mine.npz": _digits,
    "mine.onnx": _network,
}  # fmt: skip
#: The searches that a page names; each page has besides a newest one, which is `last`.
SEARCHES = {
    "small-data": ("leaves",),
    "stop-and-extend": ("old-search", "another"),
    "users-and-keys": ("my pets",),
}
