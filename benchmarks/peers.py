"""The peer that Netmorph is measured against: the network morphism tuner of NNI 2.10.

`python -m benchmarks.peers` makes its virtual environment, `.venv-peers`, with plain pip. The peer
runs there as `benchmarks/nni_peer.py` and reads and writes JSON lines: each line of its standard
input is a question, each line of its standard output is the answer to one.
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
READY = ENVIRONMENT / ".ready"  # exists once all packages are installed
SHIM = ROOT / "benchmarks" / "nni_peer.py"
PACKAGES = ("nni==2.10", "torch==2.13.0", "numpy==1.26.4", "scipy==1.13.1", "scikit-learn==1.4.2")
INSTALL_SECONDS = 1200.0

Answer = dict[str, Any]


class PeerMissing(Exception):
    """The peer cannot be run on this machine; the message says why."""


def install() -> None:
    """Make the environment unless it is ready; raises PeerMissing where that fails."""
    if READY.exists():
        return
    if ENVIRONMENT.exists():
        shutil.rmtree(ENVIRONMENT)
    try:
        venv.create(ENVIRONMENT, with_pip=True)
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", *PACKAGES]
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerMissing(f"its environment cannot be made: {error}") from None
    if process.returncode:
        raise PeerMissing(f"pip cannot install {PACKAGES[0]}: {process.stderr.strip()[-500:]}")
    READY.touch()


def describe(architecture: Architecture) -> Answer:
    """The description of an architecture for the peer: layers that count in the distance, skips."""
    ignored = (Channels.UNIFIED, Channels.JOINED)
    layers = [
        list(layer_to_json(node.layer).values())  # its kind and its fields
        for node in architecture.nodes[1:-1]
        if node.layer.channels not in ignored
    ]
    return {"tokens": layers, "skips": skips(architecture)}


def answers_to(questions: Sequence[dict[str, Any]], timeout: float, *, quick: bool) -> list[Answer]:
    """The peer's answers, in order; a missing answer is empty, with the reason on standard error.

    A quick run makes no environment because that takes too long.
    """
    answers: list[Answer] = []
    try:
        if quick and not READY.exists():
            raise PeerMissing("its environment is missing: run `python -m benchmarks.peers`")
        install()
        answers = _answers(questions, timeout)
    except PeerMissing as error:
        print(f"the peer is left out: {error}", file=sys.stderr)
    for question, answer in zip(questions, answers, strict=False):
        if "error" in answer:
            print(f"the peer failed at {question}: {answer['error']}", file=sys.stderr)
    answers = [{} if "error" in answer else answer for answer in answers]
    return answers + [{}] * (len(questions) - len(answers))


def _answers(questions: Sequence[dict[str, Any]], timeout: float) -> list[Answer]:
    """The answers within the time; raises PeerMissing where the peer cannot be started."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            [str(PYTHON), str(SHIM)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
    except OSError as error:
        raise PeerMissing(f"it cannot be started: {error}") from None
    try:
        output, errors = process.communicate(lines, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        print(f"the peer was killed after {timeout:.0f} seconds", file=sys.stderr)
    if not output and errors:
        print(f"the peer gave no answer: {errors.strip()[-500:]}", file=sys.stderr)
    complete = [line for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return [json.loads(line) for line in complete]


if __name__ == "__main__":
    try:
        install()
    except PeerMissing as error:
        sys.exit(f"error: {error}")
