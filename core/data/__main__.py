"""Describe a data set without storing it: `python -m core.data FILE`.

Prints one JSON object: `spec` and `description`, or `error` where the file cannot be used. Options
are `--layout L`, `--image-side N`, `--target C`, `--text C`, `--category C`,
`--leave-out C`, `--task T`, `--group C`, `--time C`, `--split-seed N` and `--merge-labels true`.
"""

import argparse
import json
import sys
from pathlib import Path

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.errors import InvalidDataset


def main() -> int:
    """Print the description of the file named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m core.data", description="Describe a data set.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--layout")
    parser.add_argument("--image-side", type=int)
    parser.add_argument("--target")
    parser.add_argument("--text")
    parser.add_argument("--category", action="append", default=[])
    parser.add_argument("--leave-out", action="append", default=[])
    parser.add_argument("--task")
    parser.add_argument("--group")
    parser.add_argument("--time")
    parser.add_argument("--split-seed", type=int)
    parser.add_argument("--merge-labels", choices=("true",))
    given = parser.parse_args()
    options = ReadOptions(
        layout=given.layout,
        image_side=given.image_side,
        target=given.target,
        text=given.text,
        categories=tuple(given.category),
        leave_out=tuple(given.leave_out),
        task=given.task,
        group=given.group,
        time=given.time,
        split_seed=given.split_seed,
        merge_labels=given.merge_labels is not None,
    )
    try:
        with given.file.open("rb") as file:
            limits = ReadLimits.of_uploads(given.file.stat().st_size)
            found = intake.read(file, limits, options)
    except InvalidDataset as error:
        print(json.dumps({"error": str(error)}))
        return 1
    shown = {"spec": found.spec, "description": found.description}
    print(json.dumps({name: value.model_dump(mode="json") for name, value in shown.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
