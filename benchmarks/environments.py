"""Virtual environments for packages that must not be installed beside Netmorph."""

import shutil
import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL_SECONDS = 1800.0


class CannotInstall(Exception):
    """An environment cannot be made on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in the checkout, made with plain pip."""

    folder: Path
    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()  # installed without their dependencies

    @property
    def python(self) -> Path:
        """The path of its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def is_ready(self) -> bool:
        """Whether all of its packages are installed."""
        marker = self.folder / ".ready"
        return marker.exists() and marker.read_text() == self._contents

    def install(self) -> None:
        """Make the environment unless it is ready; raises CannotInstall."""
        if self.is_ready:
            return
        if self.folder.exists():
            shutil.rmtree(self.folder)
        try:
            venv.create(self.folder, with_pip=True)
        except OSError as error:
            raise CannotInstall(f"{self.folder.name} cannot be made: {error}") from None
        pip = [str(self.python), "-m", "pip", "install", "--quiet"]
        run([*pip, *self.packages])
        if self.alone:
            run([*pip, "--no-deps", *self.alone])
        (self.folder / ".ready").write_text(self._contents)

    @property
    def _contents(self) -> str:
        return "\n".join((*self.packages, *self.alone))


def run(command: Sequence[str], folder: Path = ROOT) -> str:
    """The output of a command; raises CannotInstall with the end of its standard error."""
    try:
        process = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotInstall(f"{command[0]} cannot be run: {error}") from None
    if process.returncode:
        raise CannotInstall(f"{' '.join(command[:5])} … failed: {process.stderr.strip()[-500:]}")
    return process.stdout
