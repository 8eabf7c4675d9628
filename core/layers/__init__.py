"""The layers of architectures, one kind per module; each registers itself in `LAYERS`."""

import dataclasses
from functools import cache
from typing import Any

from core.errors import InvalidArchitecture
from core.layers.abstract import (
    LAYERS as LAYERS,
)
from core.layers.abstract import (
    AbstractLayer as AbstractLayer,
)
from core.layers.abstract import (
    Array as Array,
)
from core.layers.abstract import (
    Axis as Axis,
)
from core.layers.abstract import (
    Channels as Channels,
)
from core.layers.abstract import (
    Parameters as Parameters,
)
from core.layers.abstract import (
    Shape as Shape,
)
from core.layers.activation import AbstractActivation as AbstractActivation
from core.layers.add import Add as Add
from core.layers.avg_pool1d import AvgPool1d as AvgPool1d
from core.layers.avg_pool2d import AvgPool2d as AvgPool2d
from core.layers.batch_norm import BatchNorm as BatchNorm
from core.layers.concat import Concat as Concat
from core.layers.conv1d import Conv1d as Conv1d
from core.layers.conv2d import Conv2d as Conv2d
from core.layers.convolution import AbstractConvolution as AbstractConvolution
from core.layers.dense import Dense as Dense
from core.layers.depthwise import AbstractDepthwise as AbstractDepthwise
from core.layers.depthwise_conv1d import DepthwiseConv1d as DepthwiseConv1d
from core.layers.depthwise_conv2d import DepthwiseConv2d as DepthwiseConv2d
from core.layers.dropout import Dropout as Dropout
from core.layers.embedding import Embedding as Embedding
from core.layers.families import (
    FAMILIES as FAMILIES,
)
from core.layers.families import (
    Family as Family,
)
from core.layers.families import (
    family_of as family_of,
)
from core.layers.flatten import Flatten as Flatten
from core.layers.gate import Gate as Gate
from core.layers.gelu import GELU as GELU
from core.layers.global_avg_pool1d import GlobalAvgPool1d as GlobalAvgPool1d
from core.layers.global_avg_pool2d import GlobalAvgPool2d as GlobalAvgPool2d
from core.layers.hard_sigmoid import HardSigmoid as HardSigmoid
from core.layers.hard_swish import HardSwish as HardSwish
from core.layers.input import Input as Input
from core.layers.max_pool1d import MaxPool1d as MaxPool1d
from core.layers.max_pool2d import MaxPool2d as MaxPool2d
from core.layers.output import Output as Output
from core.layers.pooling import AbstractPool as AbstractPool
from core.layers.rectifier import AbstractRectifier as AbstractRectifier
from core.layers.relu import ReLU as ReLU
from core.layers.relu6 import ReLU6 as ReLU6
from core.layers.scale import Scale as Scale
from core.layers.sigmoid import Sigmoid as Sigmoid
from core.layers.silu import SiLU as SiLU
from core.layers.tanh import Tanh as Tanh
from core.layers.zero import Zero as Zero
from core.registry import import_modules

import_modules(__name__, __path__)


@cache
def field_names(cls: type[AbstractLayer]) -> tuple[str, ...]:
    """The names of a layer class's fields, in order."""
    return tuple(field.name for field in dataclasses.fields(cls))  # type: ignore[arg-type]


@cache
def _defaults(cls: type[AbstractLayer]) -> dict[str, Any]:
    """The default of each optional field."""
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return {field.name: field.default for field in fields if field.name in cls.optional}


def optional_fields(layer: AbstractLayer) -> dict[str, Any]:
    """The optional fields that differ from their default, in order.

    A field that was added to a kind after its release is optional: at its default it is left out,
    so that the JSON and fingerprints of stored architectures stay the same.
    """
    defaults = _defaults(type(layer))
    values = {name: getattr(layer, name) for name in defaults}
    return {name: value for name, value in values.items() if value != defaults[name]}


def layer_to_json(layer: AbstractLayer) -> dict[str, Any]:
    """The layer as JSON: its kind and its fields, without optional ones at their default.

    Raises KeyError if the layer's class is not registered.
    """
    cls = type(layer)
    values = {name: getattr(layer, name) for name in field_names(cls) if name not in cls.optional}
    values |= optional_fields(layer)
    lists = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
    return {"kind": LAYERS.kind_of(layer)} | lists


def layer_from_json(data: dict[str, Any]) -> AbstractLayer:
    """The layer of `layer_to_json`; raises InvalidArchitecture for anything else."""
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in LAYERS:
        raise InvalidArchitecture(f"unknown layer {kind!r}; known are: {', '.join(LAYERS)}")
    cls = LAYERS[kind]
    allowed = set(field_names(cls))
    given = set(data) - {"kind"}
    if not allowed - cls.optional <= given <= allowed:
        may = f", and at most {sorted(cls.optional)} more" if cls.optional else ""
        raise InvalidArchitecture(
            f"layer {kind!r} has the fields {sorted(given)}; "
            f"expected {sorted(allowed - cls.optional)}{may}"
        )
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k != "kind"}
    return cls(**values)
