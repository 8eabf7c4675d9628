"""The windows of convolutions and pools, as the attributes of their operations say."""

from netmorph.importing.frames import Window
from netmorph.importing.operations import Operation
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value


def windows_of(
    node: Operation, value: Value, sizes: tuple[int, ...], *, weight: bool
) -> tuple[Window, ...]:
    """The window along each axis; raises UnsupportedOperation where strides differ."""
    axes = len(value.axes)
    a = node.attributes
    strides = a.get("strides", (1,) * axes)
    dilations = a.get("dilations", (1,) * axes)
    if len(strides) != axes or len(dilations) != axes or min((*strides, *dilations), default=0) < 1:
        raise unsupported(node, f"strides {strides} and dilations {dilations}")
    if len(set(strides)) != 1 or (not weight and set(dilations) != {1}):
        raise unsupported(
            node,
            f"strides {list(strides)} and dilations {list(dilations)}; expected equal strides, "
            "and no dilation of a pool",
        )
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(sizes, dilations, strict=True)]
    pads = _pads(node, value, spans, strides)
    more = value.pads or ((0, 0),) * axes
    return tuple(
        Window(span, stride, before + b, after + e, bool(a.get("ceil_mode", 0)))
        for span, stride, (before, after), (b, e) in zip(spans, strides, pads, more, strict=True)
    )


def _pads(
    node: Operation, value: Value, spans: list[int], strides: tuple[int, ...]
) -> list[tuple[int, int]]:
    """The padding before and after, along each axis."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic == "VALID":
        return [(0, 0)] * len(spans)
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for axis, span, stride in zip(value.axes, spans, strides, strict=True):
            total = max(0, (-(-axis.length // stride) - 1) * stride + span - axis.length)
            small, large = total // 2, total - total // 2
            pads.append((small, large) if automatic == "SAME_UPPER" else (large, small))
        return pads
    given = node.attributes.get("pads", (0,) * 2 * len(spans))
    if len(given) != 2 * len(spans) or min(given) < 0:
        raise unsupported(node, f"pads {list(given)}")
    return list(zip(given[: len(spans)], given[len(spans) :], strict=True))


def slices(shape: tuple[int, ...], offsets: tuple[int, ...], node: Operation) -> tuple[slice, ...]:
    """Where the values of a kernel are in a larger one; a dilation leaves zeros between them."""
    dilations = node.attributes.get("dilations", (1,) * len(shape))
    return tuple(
        slice(offset, offset + (size - 1) * dilation + 1, dilation)
        for size, offset, dilation in zip(shape, offsets, dilations, strict=True)
    )


def in_words(windows: tuple[Window, ...]) -> str:
    """Sizes, stride and padding of windows, for messages."""
    sizes = " × ".join(str(window.size) for window in windows)
    pads = [[window.before, window.after] for window in windows]
    return f"size {sizes}, stride {windows[0].stride} and padding {pads}"
