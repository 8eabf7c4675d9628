"""Data of any size is imported in a memory that does not grow with it."""

import subprocess
import sys
from pathlib import Path

import pytest

#: A process of its own, as its limit cannot be taken back. RLIMIT_DATA counts anonymous memory, and
#: not files that are mapped, whose pages the kernel may drop.
PROGRAM = """
import re, resource, sys
from pathlib import Path

import numpy as np

from core.data import intake
from core.data.datasets import Arrays, decode, write
from core.data.files import ReadLimits

file, most = Path(sys.argv[1]), int(sys.argv[2])

def imported(file):
    with file.open("rb") as stream:
        read = intake.read(stream, ReadLimits())
    write(read.arrays, file.with_suffix(".stored"))
    return decode(file.with_suffix(".stored"))

small = file.with_name("small.npz")
rng = np.random.default_rng(0)
np.savez(small, x=rng.integers(0, 255, (20, 8, 8, 3), np.uint8), y=np.arange(20) % 2)
imported(small)  # loads and allocates what any import needs
used = re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())
limit = int(used[1]) * 1024 + most
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
print(imported(file).x_train.shape)
"""


def imported(folder: Path, examples: int, share: float, kind: str) -> None:
    """Import this many images of 12 KiB, with a limit of this share of their size."""
    make = (
        f"import numpy as np, sys; n = {examples}; rng = np.random.default_rng(0); "
        f"x = rng.integers(0, 255, (n, 64, 64, 3), np.uint8).astype('{kind}'); "
        "np.savez(sys.argv[1], x=x, y=np.arange(n) % 4)"
    )
    file = folder / "data.npz"
    subprocess.run([sys.executable, "-c", make, file], check=True)
    most = int(share * file.stat().st_size)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, file, str(most)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [f"({examples * 4 // 5},", "3,", "64,", "64)"]


def test_a_copy_of_all_data_would_not_fit(tmp_path: Path) -> None:
    """36 MB are imported with 18 MB more than a tiny import needs: most of it for blocks."""
    imported(tmp_path, 3_000, 0.5, "uint8")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uint8", ">f4"])
def test_a_gigabyte_is_imported_in_a_twentieth_of_its_size(tmp_path: Path, kind: str) -> None:
    imported(tmp_path, 80_000 if kind == "uint8" else 20_000, 0.05, kind)
