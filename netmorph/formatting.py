"""Numbers as people read them."""


def percent(share: float | None) -> str:
    """A share between 0 and 1 in percent; a dash for None."""
    return "–" if share is None else f"{100 * share:.2f} %"


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
