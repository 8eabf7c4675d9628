"""Data larger than memory is measured in all its steps."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_each_step_has_a_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.large_data", tmp_path / "new"]
    ended = subprocess.run(
        [*command, "--gigabytes", "0.02"], capture_output=True, text=True, check=True
    )

    steps = [line[:28].strip() for line in ended.stdout.splitlines()]
    assert steps == [
        "pack the folder", "read, divide and describe", "store", "check and map the file",
        "statistics of the channels", "first step", "199 more steps",
    ]  # fmt: skip
