"""The how-to page about your own network: its programs run, and its options fit the files."""

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from netmorph.commands.preparing import preparation_of
from netmorph.importing.files import read
from netmorph.importing.preparation import Preparation
from tests.docs.test_how_to import HOW_TO, blocks_of
from tests.netmorph.importing.test_convert import architecture_of, of_file, ours

PAGE = HOW_TO / "improve-a-network.md"


def options_of(line: str) -> dict[str, str]:
    words = shlex.split(line)
    return dict(pairwise(words))


def test_the_programs_of_the_page_write_what_its_command_reads(tmp_path: Path) -> None:
    (to_onnx,) = blocks_of(PAGE)
    (to_pt2,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", to_onnx.code + to_pt2],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    line, *_ = re.findall(r"^netmorph search (.*)$", PAGE.read_text(), re.MULTILINE)
    options = options_of(line)
    arrays = np.load(tmp_path / options["--dataset"])

    network = read(
        tmp_path / options["--root"], preparation_of(float(options["--root-scale"]), None, None)
    )

    architecture, _ = architecture_of(network)
    x = arrays["x_test"][:, None]
    assert architecture.input_shape == x.shape[1:]
    found, expected = ours(network, x), of_file(tmp_path / options["--root"], x / 16)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    assert (found.argmax(1) == arrays["y_test"]).mean() > 0.85

    program = read(
        tmp_path / "mine.pt2", preparation_of(float(options["--root-scale"]), None, None)
    )
    assert np.abs(ours(program, x) - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_table_of_preparations_is_what_the_options_mean() -> None:
    rows = re.findall(r"^\| .* \| `(--root-scale [^`]*)` \|$", PAGE.read_text(), re.MULTILINE)
    found = [options_of(row) for row in rows]
    prepared = [
        preparation_of(float(o["--root-scale"]), o.get("--root-mean"), o.get("--root-std"))
        for o in found
    ]
    assert prepared == [
        Preparation(255.0),
        Preparation(255.0, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)),
    ]
