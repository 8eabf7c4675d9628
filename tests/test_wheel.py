"""The installed wheel runs away from the checkout: with its migrations, templates, static files."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("api", "core", "migrations", "netmorph", "worker")
FILES = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def away() -> Iterator[Path]:
    """A folder outside of the checkout that the servers' account can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="netmorph-wheel-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def wheel(away: Path) -> Path:
    """The wheel, built from a copy of the sources as they are."""
    sources = away / "sources"
    for name in PACKAGES:
        shutil.copytree(CHECKOUT / name, sources / name, ignore=shutil.ignore_patterns("*.pyc"))
    for name in FILES:
        shutil.copy(CHECKOUT / name, sources)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(away)]
    done = subprocess.run([*command, str(sources)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(sources)
    (built,) = away.glob("netmorph-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(away: Path, wheel: Path) -> Path:
    """The programs' folder of an environment with the wheel, and our dependencies lent to it."""
    environment = away / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*command, *options, str(wheel)], check=True)
    # A folder named in a .pth file is searched, but its own .pth files (such as that of the
    # checkout's editable installation) are not read.
    ours = sysconfig.get_path("purelib")
    theirs = sysconfig.get_path("purelib", "venv", {"base": str(environment)})
    (Path(theirs) / "lent.pth").write_text(f"{ours}\n")
    return environment / "bin"


def test_every_package_is_the_installed_one(away: Path, installed: Path) -> None:
    program = f"import {', '.join(PACKAGES)}; print(*(p.__file__ for p in [{', '.join(PACKAGES)}]))"
    command = [installed / "python", "-P", "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=away).stdout
    assert [Path(path).is_relative_to(away) for path in found.split()] == [True] * len(PACKAGES)


def test_the_wheel_has_the_files_that_are_no_modules(wheel: Path) -> None:
    files = ("netmorph/templates/report.html", "worker/trainer/export/Dockerfile")
    with zipfile.ZipFile(wheel) as archive:
        assert set(files) < set(archive.namelist())


def test_the_installed_wheel_runs_the_whole_service(away: Path, installed: Path) -> None:
    """A migrated database, the dashboard with its files, a worker; and after the stop nothing."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NETMORPH_")}
    command = [installed / "netmorph", "up", "--data-dir", away / "data", "--port", "0", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=away, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            service = json.loads(process.stdout.readline())
            family = psutil.Process(process.pid).children(recursive=True)
            assert len(family) >= 4
            _look_around(service["url"], service["key"])
        finally:
            process.terminate()
            assert process.wait(60) == 0
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def _look_around(url: str, key: str) -> None:
    """See that pages, their files and the database are there."""
    with httpx.Client(base_url=url, trust_env=False, follow_redirects=True) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "<html" in page.text
        files = {part.partition('"')[0] for part in page.text.split('="/static/')[1:]}
        assert files
        for name in files:
            assert client.get(f"/static/{name}").status_code == 200, name
        listed = client.get("/v1/searches", headers={"Authorization": f"Bearer {key}"})
        assert listed.json()["items"] == []
