"""Runs all benchmarks, one after the other: `python -m benchmarks [--quick] [--no-peers]`.

Each runs in its own process and prints its own table; the exit status is the highest of theirs.
Experiments, which take hours or days, are always quick here: run them by name for evidence.
"""

import subprocess
import sys

NAMES = (
    "distance",
    "morphism",
    "suggestion",
    "surrogate",
    "prior",
    "regret",
    "front",
    "trainer",
    "load",
    "controller",
    "scaling",
    "dashboard",
)
EXPERIMENTS = ("outcome", "paper", "strategies", "parallel", "ablations", "nas_peers")
_PLAIN = ("controller",)  # takes no common options


def main() -> None:
    """Run all of them with the same options."""
    status = 0
    for name in (*NAMES, *EXPERIMENTS):
        options = [] if name in _PLAIN else sys.argv[1:]
        if name in EXPERIMENTS:
            options = [*options, "--quick"]
        print(f"\n# {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        status = max(status, abs(subprocess.run(command, check=False).returncode))
    sys.exit(status)


if __name__ == "__main__":
    main()
