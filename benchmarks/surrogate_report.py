"""The page of results of `benchmarks.surrogate`, and the kernels chosen on other tables."""

from collections.abc import Mapping
from typing import Any

from core.surrogate.kernels import KERNELS

_NAMES = {
    "nni": "NNI 2.10",
    "ridge": "ridge on sizes",
    "forest": "random forest on sizes",
}


def chosen_elsewhere(by_table: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each table the kernel that ranks best on all other tables, and its correlation here."""
    chosen = {}
    for table, facts in by_table.items():
        others = [other for name, other in by_table.items() if name != table]
        if others:
            kernel = max(
                KERNELS, key=lambda kernel: sum(one[kernel]["spearman_mean"] for one in others)
            )
            chosen[table] = {"kernel": kernel, "spearman_mean": facts[kernel]["spearman_mean"]}
    return chosen


def page(by_table: Mapping[str, Mapping[str, Any]]) -> str:
    """The page in Markdown."""
    first = next(iter(by_table.values()))
    lines = [
        "# How well the surrogate predicts",
        "",
        *_introduction(first),
        "",
        "| table | networks | noise ceiling |",
        "| --- | --- | --- |",
        *[
            f"| {name} | {facts['networks']} | {_number(facts['noise_ceiling'])} "
            f"(of {facts['repeated']} trained twice) |"
            for name, facts in by_table.items()
        ],
    ]
    for name, facts in by_table.items():
        lines += ["", f"## {name}", "", *_table(facts)]
    lines += ["", "## The kernel", "", *_kernels(first["default_kernel"], by_table)]
    lines += ["", "## The peer", "", *_peer(by_table)]
    return "\n".join(lines) + "\n"


def _introduction(facts: Mapping[str, Any]) -> list[str]:
    return [
        "Written by `python -m benchmarks.surrogate --markdown FILE`:",
        f"{facts['observed']} networks observed, {facts['seeds']} random choices of them, on",
        "tables of trained networks (`benchmarks/data`).",
        "",
        "- *Spearman*: rank correlation of the predictions for all other networks with their",
        "  values, mean ± standard error over the choices.",
        "- *Of the ceiling*: its share of the noise ceiling, the root of the rank correlation of",
        "  networks with themselves, trained again with another seed. (A prediction is compared",
        "  with one noisy value, two trainings are two noisy values.)",
        "- *NLL*: negative log-likelihood of a value, in standard deviations of the table.",
        "- *Coverage*: the share of values within their 90 % interval.",
        "- *Seconds* to fit and to predict, on one core.",
    ]


def _table(facts: Mapping[str, Any]) -> list[str]:
    judged = {name: one for name, one in facts.items() if isinstance(one, Mapping)}
    best_first = sorted(judged, key=lambda name: -judged[name]["spearman_mean"])
    return [
        "| surrogate | Spearman | of the ceiling | NLL | coverage of 90 % | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
        *[
            f"| {_title(name)} | {one['spearman_mean']:.3f} ± {_error(one)} "
            f"| {_number(one['share_of_ceiling'])} | {_number(one['nll'])} "
            f"| {_number(one['coverage_90'])} | {_number(one['seconds'], 3)} |"
            for name in best_first
            for one in [judged[name]]
        ],
    ]


def _kernels(default: str, by_table: Mapping[str, Mapping[str, Any]]) -> list[str]:
    chosen = chosen_elsewhere(by_table)
    if not chosen:
        return [f"The default kernel is `{default}`."]
    return [
        f"The default kernel is `{default}`. The kernel that ranks best on all other tables,",
        "judged on the one that it was not chosen on:",
        "",
        "| judged on | chosen | Spearman |",
        "| --- | --- | --- |",
        *[
            f"| {table} | `{one['kernel']}` | {one['spearman_mean']:.3f} |"
            for table, one in chosen.items()
        ],
    ]


def _peer(by_table: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [
        f"| {table} | {one['observed']} | {one['splits']} "
        f"| {one['ignored']:.0%} | {one['failures']:.0%} |"
        for table, facts in by_table.items()
        if (one := facts.get("nni")) is not None
    ]
    if not lines:
        return ["The peer was missing, or was not requested."]
    return [
        "NNI's Gaussian process gets Netmorph's networks as its own descriptors; layers unknown to",
        "it become layers without attributes. As in its tuner it is given one network after the",
        "other, and ignores those with which its matrix has no Cholesky factor. A network that it",
        "cannot predict gets the worst rank. It predicts 100 networks of each choice, for as many",
        "choices as a few minutes allow.",
        "",
        "| table | observed | choices | observations ignored | predictions that are not numbers |",
        "| --- | --- | --- | --- | --- |",
        *lines,
    ]


def _title(name: str) -> str:
    return _NAMES.get(name) or f"`{name}`"


def _error(one: Mapping[str, Any]) -> str:
    return f"{one['spearman_se']:.3f}" if one["splits"] > 1 else "?"


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
