"""Virtual environments that benchmarks make for packages which do not belong beside Netmorph."""

import shutil
import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL_SECONDS = 1800.0


class CannotInstall(Exception):
    """An environment cannot be made here, for the reason given."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in the checkout, made with plain pip."""

    folder: Path
    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()  # installed without their dependencies

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def is_ready(self) -> bool:
        """Whether all of its packages are installed."""
        made = self.folder / ".ready"
        return made.exists() and made.read_text() == self._contents

    def install(self) -> None:
        """Make it unless it is there; raises CannotInstall."""
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
    """The output of a command; raises CannotInstall with the end of its complaint."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotInstall(f"{command[0]} cannot be run: {error}") from None
    if done.returncode:
        raise CannotInstall(f"{' '.join(command[:5])} … failed: {done.stderr.strip()[-500:]}")
    return done.stdout
