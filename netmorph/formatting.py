"""Numbers as people read them."""

from collections.abc import Mapping

ACCURACY = "accuracy"  # the metric that a percentage without a name is


def percent(share: float | None) -> str:
    """A share between 0 and 1 in percent; a dash for None."""
    return "–" if share is None else f"{100 * share:.2f} %"


def metric(value: float | None, in_percent: bool) -> str:
    """A metric as people read it: in percent, or else as a number; a dash for None."""
    if in_percent or value is None:
        return percent(value)
    return f"{value:.4g}"


def name_before(name: str, in_percent: bool) -> str:
    """The name of a metric to write before its value; none for accuracy, a plain percentage."""
    return "" if in_percent and name == ACCURACY else f"{name} "


def measures(found: Mapping[str, float]) -> str:
    """Further measures, each a number with its name: "RMSE 54.3, MAE 43.1"."""
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items())


def milliseconds(seconds: float | None) -> str:
    """A latency, given in seconds, to three figures; a dash for None."""
    if seconds is None:
        return "–"
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else f"{1000 * seconds:,.0f} ms"


def clock(seconds: float) -> str:
    """A duration as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def out_of(used: int, budget: int | None) -> str:
    """A count with its limit, if there is one."""
    return f"{used} of {budget}" if budget else str(used)
