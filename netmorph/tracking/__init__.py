"""The trials of a search in the tools that people compare their trainings with.

    from netmorph.tracking import to_mlflow, to_tensorboard

Each needs a package of its own: the extra `tensorboard` or `mlflow`. Called again, also while the
search runs, they add what is new and write nothing twice.
"""

from netmorph.tracking.event_files import to_tensorboard
from netmorph.tracking.mlflow_runs import to_mlflow

__all__ = ["to_mlflow", "to_tensorboard"]
