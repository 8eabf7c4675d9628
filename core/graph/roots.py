"""Which architectures a search starts from, within the bounds.

A search trains several kinds briefly and continues the better ones (`core.search.race`).
`core.graph.root_kinds` builds them.
"""

from collections.abc import Mapping

from core.errors import InvalidInput
from core.graph.architecture import Architecture
from core.graph.bounds import excluded_layers, fits, latency, width
from core.graph.root_kinds import BUILDERS, FILTERS, MIN_WIDTH, OF_SIGNALS, OF_TEXTS, Builder
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec


def roots(spec: DatasetSpec, bounds: Bounds) -> tuple[Architecture, ...]:
    """The default root, as wide as the bounds allow; raises InvalidInput if none fits.

    It is the first kind without a layer that the bounds exclude.
    """
    root = _fit_bounds(BUILDERS[_default_kind(spec, bounds)], spec, bounds)
    if not fits(root, bounds):
        raise InvalidInput(
            f"the bounds are too small: the smallest root for {spec.input_shape} has "
            f"{len(root.nodes)} layers, width {width(root)}, {root.parameters} parameters, "
            f"{root.flops} FLOPs and an expected latency of {1000 * latency(root, bounds):.2g} ms; "
            "raise the bounds"
        )
    return (root,)


def _default_kind(spec: DatasetSpec, bounds: Bounds) -> str:
    """The first kind of root without an excluded layer; raises InvalidInput if there is none."""
    kinds, excluded = kinds_of_roots(spec), set[str]()
    for kind in kinds if bounds.without_layers else kinds[:1]:
        found = excluded_layers(BUILDERS[kind](spec, 1.0), bounds)
        if not found:
            return kind
        excluded |= set(found)
    raise InvalidInput(
        f"every starting network for {spec.input_shape} has one of the excluded layers "
        f"{', '.join(sorted(excluded))}: leave some of them out, or give a root without them"
    )


def kinds_of_roots(spec: DatasetSpec) -> tuple[str, ...]:
    """The kinds of roots for the data, the default first."""
    if spec.text is not None:
        return OF_TEXTS
    match len(spec.input_shape):
        case 1:
            return ("mlp",)
        case 2:
            return tuple(kind for kind in BUILDERS if kind not in OF_TEXTS)
        case _:
            return tuple(kind for kind in BUILDERS if kind not in {*OF_SIGNALS, *OF_TEXTS})


def racing_kinds(spec: DatasetSpec) -> tuple[str, ...]:
    """The kinds of roots in the order in which they join a race.

    The default comes last: with one convolution per resolution it learns fast but stops improving
    early, so a short race would overrate it.
    """
    if spec.text is not None:
        return OF_TEXTS[::-1]
    kinds = kinds_of_roots(spec)
    first = (
        ("fcn", "fcn-resnet", "vgg") if len(spec.input_shape) == 2 else ("vgg", "resnet9", "resnet")
    )
    others = [kind for kind in kinds if kind not in {*first, "cnn"}]
    return tuple(kind for kind in (*first, *others, "cnn") if kind in kinds)


def all_roots(spec: DatasetSpec, bounds: Bounds, scale: float = 1.0) -> Mapping[str, Architecture]:
    """Every kind of root for the data within the bounds, by name, with widths times `scale`."""
    built = {
        kind: _fit_bounds(BUILDERS[kind], spec, bounds, scale) for kind in kinds_of_roots(spec)
    }
    return {kind: root for kind, root in built.items() if fits(root, bounds)}


def _fit_bounds(
    builder: Builder, spec: DatasetSpec, bounds: Bounds, scale: float = 1.0
) -> Architecture:
    """The widest version up to `scale` within the bounds, else the narrowest version."""
    architecture = builder(spec, scale)
    while not fits(architecture, bounds) and scale * FILTERS > MIN_WIDTH:
        scale /= 2
        architecture = builder(spec, scale)
    return architecture
