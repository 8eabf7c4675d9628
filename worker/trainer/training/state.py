"""The state of a training as bytes, so that another process can continue it.

A state is a nested dictionary of tensors and of values that JSON can hold. Its tensors are stored
as safetensors, named by their path, and everything else as one tensor with the bytes of a JSON
text: reading such a file runs no code.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from core.errors import CorruptBlob

State = dict[str, Any]  # of tensors, JSON values and states

_SEPARATOR = "/"
_FACTS = "facts"  # the tensor with the JSON text


def copied(state: State) -> State:
    """The state with copies of its tensors on the CPU: training on does not change them."""
    return _mapped(state, lambda tensor: tensor.detach().to("cpu", copy=True))


def pack(state: State) -> bytes:
    """The state as safetensors bytes."""
    tensors = {path: tensor.contiguous() for path, tensor in _tensors(state)}
    facts = bytearray(json.dumps(_without_tensors(state), allow_nan=False).encode())
    return safetensors.save(tensors | {_FACTS: torch.frombuffer(facts, dtype=torch.uint8)})


def unpack(data: bytes) -> State:
    """The state of these bytes; raises CorruptBlob for anything else."""
    try:
        tensors = safetensors.load(data)
        state: State = json.loads(bytes(tensors.pop(_FACTS).tolist()))
        for path, tensor in tensors.items():
            *parents, name = path.split(_SEPARATOR)
            folder = state
            for parent in parents:
                folder = folder[parent]
            folder[name] = tensor
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise CorruptBlob(f"the bytes are not the state of a training: {error}") from None
    return state


def _mapped(state: State, change: Callable[[Tensor], Tensor]) -> State:
    return {
        name: _mapped(value, change)
        if isinstance(value, dict)
        else change(value)
        if isinstance(value, Tensor)
        else value
        for name, value in state.items()
    }


def _tensors(state: State, above: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors by their paths."""
    for name, value in state.items():
        if isinstance(value, dict):
            yield from _tensors(value, f"{above}{name}{_SEPARATOR}")
        elif isinstance(value, Tensor):
            yield f"{above}{name}", value


def _without_tensors(state: State) -> State:
    return {
        name: _without_tensors(value) if isinstance(value, dict) else value
        for name, value in state.items()
        if not isinstance(value, Tensor)
    }
