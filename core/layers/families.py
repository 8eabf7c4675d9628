"""The layers by the number of spatial axes that they work along."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import InvalidArchitecture
from core.layers.abstract import Shape
from core.layers.avg_pool1d import AvgPool1d
from core.layers.avg_pool2d import AvgPool2d
from core.layers.conv1d import Conv1d
from core.layers.conv2d import Conv2d
from core.layers.convolution import AbstractConvolution
from core.layers.depthwise import AbstractDepthwise
from core.layers.depthwise_conv1d import DepthwiseConv1d
from core.layers.depthwise_conv2d import DepthwiseConv2d
from core.layers.global_avg_pool1d import GlobalAvgPool1d
from core.layers.global_avg_pool2d import GlobalAvgPool2d
from core.layers.max_pool1d import MaxPool1d
from core.layers.max_pool2d import MaxPool2d
from core.layers.pooling import AbstractGlobalAvgPool, AbstractPool


@dataclass(frozen=True, slots=True)
class Family:
    """The layers for signals, or those for images."""

    convolution: type[AbstractConvolution]
    depthwise: type[AbstractDepthwise]
    max_pool: type[AbstractPool]
    avg_pool: type[AbstractPool]
    global_avg_pool: type[AbstractGlobalAvgPool]


#: The layers by the number of spatial axes.
FAMILIES: Mapping[int, Family] = {
    1: Family(Conv1d, DepthwiseConv1d, MaxPool1d, AvgPool1d, GlobalAvgPool1d),
    2: Family(Conv2d, DepthwiseConv2d, MaxPool2d, AvgPool2d, GlobalAvgPool2d),
}


def family_of(shape: Shape) -> Family:
    """The layers for values of this shape; raises InvalidArchitecture for a vector."""
    try:
        return FAMILIES[len(shape) - 1]
    except KeyError:
        raise InvalidArchitecture(
            f"there is no convolution for values of shape {shape}; "
            "expected an image (channels, height, width) or a signal (channels, length)"
        ) from None
