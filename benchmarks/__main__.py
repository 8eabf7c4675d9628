"""All benchmarks, one after the other: `python -m benchmarks [--quick] [--no-peers]`.

Each runs in a process of its own and prints its own table; the exit status is that of the worst.
Experiments, which take hours or days, are always quick here: run them by name for evidence.
"""

import subprocess
import sys

NAMES = (
    "distance",
    "morphism",
    "suggestion",
    "surrogate",
    "regret",
    "front",
    "trainer",
    "controller",
)
EXPERIMENTS = ("outcome", "paper", "strategies", "parallel", "ablations", "nas_peers")
_PLAIN = ("controller",)  # takes no common options


def main() -> None:
    """Run all, with the same options."""
    worst = 0
    for name in (*NAMES, *EXPERIMENTS):
        options = [] if name in _PLAIN else sys.argv[1:]
        if name in EXPERIMENTS:
            options = [*options, "--quick"]
        print(f"\n# {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        worst = max(worst, abs(subprocess.run(command, check=False).returncode))
    sys.exit(worst)


if __name__ == "__main__":
    main()
