"""A metric: what is measured of a network, which way is better, and how people read it.

Notation
    metric      the number that people read, such as a log-loss of 0.21
    objective   the same number of which more is better, -0.21: what a search maximises
"""

from dataclasses import dataclass

LARGEST = 1e308  # of errors in the user's units, which have no limit of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of a task type."""

    kind: str  # as users give it: "macro-f1"
    name: str  # as people read it: "macro F1"
    larger_is_better: bool = True
    value_range: tuple[float, float] = (0.0, 1.0)  # least and greatest credible objective
    in_percent: bool = True  # whether people read it as a percentage

    def objective(self, metric: float) -> float:
        """The metric as a value of which more is better, at least the least credible one."""
        return max(metric if self.larger_is_better else -metric, self.value_range[0])

    def of_objective(self, value: float) -> float:
        """The metric of a value; the inverse of `objective`."""
        return value if self.larger_is_better else -value

    def is_credible(self, value: float) -> bool:
        """Whether a trial can have this value; NaN is never credible."""
        least, greatest = self.value_range
        return least <= value <= greatest

    def in_words(self, metric: float, std: float | None = None) -> str:
        """The metric as people read it, with its standard error where given: "98.42 % ± 0.31"."""
        return in_words(metric, std, in_percent=self.in_percent)

    def named_in_words(self, metric: float) -> str:
        """The metric for a sentence: a number that is no percentage needs its name."""
        return self.in_words(metric) if self.in_percent else f"{self.name} {self.in_words(metric)}"


def in_words(metric: float, std: float | None = None, *, in_percent: bool) -> str:
    """A number as people read it, with its standard error where given."""
    if in_percent:
        return f"{100 * metric:.2f} %" + ("" if std is None else f" ± {100 * std:.2f}")
    return f"{metric:.4g}" + ("" if std is None else f" ± {std:.2g}")
