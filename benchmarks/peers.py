"""The peer that Netmorph is measured against: the network morphism tuner of NNI 2.10.

`python -m benchmarks.peers` makes its virtual environment, `.venv-peers`, with plain pip. The peer
runs there as `benchmarks/nni_peer.py` and speaks JSON lines: a question each to its standard input,
an answer each from its standard output.
"""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.graph.architecture import Architecture
from core.layers import Channels, layer_to_json
from core.similarity.edit_distance import skips

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv-peers"
PYTHON = ENVIRONMENT / "bin" / "python"
READY = ENVIRONMENT / ".ready"  # exists once all packages are there
SHIM = ROOT / "benchmarks" / "nni_peer.py"
PACKAGES = ("nni==2.10", "torch==2.13.0", "numpy==1.26.4", "scipy==1.13.1", "scikit-learn==1.4.2")
INSTALL_SECONDS = 1200.0

Answer = dict[str, Any]


class PeerMissing(Exception):
    """The peer cannot be run here, for the reason given."""


def install() -> None:
    """Make the environment unless it is there; raises PeerMissing where that fails."""
    if READY.exists():
        return
    if ENVIRONMENT.exists():
        shutil.rmtree(ENVIRONMENT)
    try:
        venv.create(ENVIRONMENT, with_pip=True)
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", *PACKAGES]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerMissing(f"its environment cannot be made: {error}") from None
    if done.returncode:
        raise PeerMissing(f"pip cannot install {PACKAGES[0]}: {done.stderr.strip()[-500:]}")
    READY.touch()


def described(architecture: Architecture) -> Answer:
    """An architecture for the peer: the layers that the distance sees, and the skips."""
    unseen = (Channels.UNIFIED, Channels.JOINED)
    seen = [
        list(layer_to_json(node.layer).values())  # its kind and its fields
        for node in architecture.nodes[1:-1]
        if node.layer.channels not in unseen
    ]
    return {"tokens": seen, "skips": skips(architecture)}


def ask(questions: Sequence[dict[str, Any]], timeout: float, *, quick: bool) -> list[Answer]:
    """The peer's answers, in order; an empty one, with a reason on stderr, where there is none.

    A quick run makes no environment, as that takes too long.
    """
    answers: list[Answer] = []
    try:
        if quick and not READY.exists():
            raise PeerMissing("its environment is not there: run `python -m benchmarks.peers`")
        install()
        answers = _asked(questions, timeout)
    except PeerMissing as error:
        print(f"no peer: {error}", file=sys.stderr)
    for question, answer in zip(questions, answers, strict=False):
        if "error" in answer:
            print(f"the peer failed at {question}: {answer['error']}", file=sys.stderr)
    answers = [{} if "error" in answer else answer for answer in answers]
    return answers + [{}] * (len(questions) - len(answers))


def _asked(questions: Sequence[dict[str, Any]], timeout: float) -> list[Answer]:
    """What the peer says within the time; raises PeerMissing where it cannot be started."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            [str(PYTHON), str(SHIM)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
    except OSError as error:
        raise PeerMissing(f"it cannot be started: {error}") from None
    try:
        said, complaints = process.communicate(lines, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        said, complaints = process.communicate()
        print(f"the peer was ended after {timeout:.0f} seconds", file=sys.stderr)
    if not said and complaints:
        print(f"the peer said: {complaints.strip()[-500:]}", file=sys.stderr)
    whole = [line for line in said.splitlines(keepends=True) if line.endswith("\n")]
    return [json.loads(line) for line in whole]


if __name__ == "__main__":
    try:
        install()
    except PeerMissing as error:
        sys.exit(f"no peer: {error}")
