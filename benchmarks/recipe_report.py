"""The results of `benchmarks.recipe`: means, and differences from the base with the same seeds."""

from collections.abc import Iterator, Sequence
from statistics import mean, stdev
from typing import Any

from scipy.stats import spearmanr

from benchmarks.recipe_arms import ARMS, RANKED, SETTINGS

BASE_ARM = "base"
#: Arms with a falling rate, and the same arms at a constant rate.
LEVEL_ARMS = {
    BASE_ARM: "constant rate",
    "spectral norm 2": "spectral norm 2, constant rate",
    "AdamW 0.006": "AdamW 0.006, constant rate",
}
BEGIN, END = "<!-- runs -->", "<!-- end of runs -->"

Row = dict[str, Any]
Errors = dict[str, dict[int, float]]  # arm -> seed -> test error in %


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """By setting and arm the mean error, the difference from the base, and its standard error."""
    result: dict[str, Any] = {}
    for setting in dict.fromkeys(row["setting"] for row in rows):
        errors = _errors(rows, setting)
        result[setting] = {arm: _compared(errors, arm) for arm in errors}
    return result


def page_with(page: str, rows: Sequence[Row]) -> str:
    """The page with new tables between its two marks; the text around them stays."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{_tables(rows)}\n{END}{after}"


def _errors(rows: Sequence[Row], setting: str) -> Errors:
    found: Errors = {}
    for row in rows:
        if row["setting"] == setting:
            found.setdefault(row["arm"], {})[row["seed"]] = row["error"]
    return found


def _compared(errors: Errors, arm: str) -> dict[str, Any]:
    own, base = errors[arm], errors.get(BASE_ARM, {})
    paired = [own[seed] - base[seed] for seed in own if seed in base]
    return {
        "error": mean(own.values()),
        "seeds": len(own),
        "difference": mean(paired) if paired else None,
        "se": stdev(paired) / len(paired) ** 0.5 if len(paired) > 1 else None,
    }


def _tables(rows: Sequence[Row]) -> str:
    facts = summary(rows)
    settings = [name for name in SETTINGS if name in facts]
    lines = [_line(["ingredient", *settings]), _line(["---"] * (1 + len(settings)))]
    group = ""
    for arm in ARMS.values():
        if not any(arm.name in facts[setting] for setting in settings):
            continue
        if arm.group not in (group, BASE_ARM):
            group = arm.group
            lines.append(_line([f"**{group}**", *[""] * len(settings)]))
        lines.append(_line([arm.name, *(_cell(facts[s].get(arm.name)) for s in settings)]))
    return "\n".join([*lines, "", *_watched(rows), *_ranks(rows)]) + "\n"


def _cell(found: dict[str, Any] | None) -> str:
    """Mean error, difference ± standard error, number of seeds."""
    if found is None:
        return ""
    text = f"{found['error']:.2f}"
    if found["difference"] is not None:
        error = "" if found["se"] is None else f" ± {found['se']:.2f}"
        text += f" ({found['difference']:+.2f}{error})"
    return f"{text}, {found['seeds']}"


def _watched(rows: Sequence[Row]) -> Iterator[str]:
    """The table of errors of averages over several shares of the steps, from the same runs."""
    watched = [row for row in rows if "watched" in row and row["setting"] in SETTINGS]
    if not watched:
        return
    shares = list(watched[0]["watched"])
    yield _line(["setting", "schedule", "last weights", *(f"average over {s}" for s in shares)])
    yield _line(["---"] * (3 + len(shares)))
    for setting, arm in dict.fromkeys((row["setting"], row["arm"]) for row in watched):
        own = [row for row in watched if (row["setting"], row["arm"]) == (setting, arm)]
        means = [mean(row["watched"][share] for row in own) for share in shares]
        last = _mean_error(own)
        yield _line([setting, arm, *(f"{each:.2f}" for each in (last, *means))])


def _ranks(rows: Sequence[Row]) -> Iterator[str]:
    """Tables of the errors with a falling rate and of averages at a constant rate, by network."""
    for name, constant in LEVEL_ARMS.items():
        falling = [_of(rows, setting, name) for setting in RANKED]
        level = [_of(rows, setting, constant) for setting in RANKED]
        if all((*falling, *level)):
            yield from ("", *_rank_table(name, [_mean_error(own) for own in falling], level))


def _rank_table(name: str, falling: list[float], level: list[list[Row]]) -> Iterator[str]:
    shares = list(level[0][0]["watched"])
    columns = {"last weights": [_mean_error(own) for own in level]} | {
        f"average over {each}": [mean(row["watched"][each] for row in own) for own in level]
        for each in shares
    }
    yield _line([f"network, {name}", "falling rate", *columns])
    yield _line(["---"] * (2 + len(columns)))
    for index, setting in enumerate(RANKED):
        cells = [f"{errors[index]:.2f}" for errors in (falling, *columns.values())]
        yield _line([setting.removeprefix("rank-"), *cells])
    ranks = [f"{spearmanr(falling, errors).statistic:.2f}" for errors in columns.values()]
    yield _line(["rank correlation with the falling rate", "", *ranks])


def _mean_error(rows: Sequence[Row]) -> float:
    return mean(row["error"] for row in rows)


def _of(rows: Sequence[Row], setting: str, arm: str) -> list[Row]:
    return [row for row in rows if (row["setting"], row["arm"]) == (setting, arm)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
