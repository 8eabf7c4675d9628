"""Which values of a program share memory, so that an operator that works in place changes all."""

from dataclasses import dataclass, field

from netmorph.errors import UnreadableNetwork
from netmorph.importing.torch_export.call import Call

#: Operators whose output may share the memory of their input.
_VIEWS = frozenset(
    (
        *("view", "_unsafe_view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"),
        *("permute", "transpose", "t", "movedim", "expand", "expand_as", "contiguous"),
        *("detach", "detach_", "alias", "to", "_to_copy", "type_as"),
        *("dropout", "feature_dropout", "alpha_dropout"),
        *("slice", "select", "narrow", "chunk", "split", "split_with_sizes", "unbind"),
    )
)


@dataclass(slots=True)
class Memory:
    """The values that share memory, and those that have been changed since they were computed."""

    _first: dict[str, str] = field(default_factory=dict)  # the first name of a shared memory
    _changed: set[str] = field(default_factory=set)

    def note(self, call: Call) -> None:
        """Take note of a call, after a look at what it reads."""
        for name in call.read:
            self.check(name, f"node {call.name!r} ({call.kind})")
        read = next(call.read, "")
        if not read or not (call.in_place or call.operator in _VIEWS):
            return
        first = self._first.get(read, read)
        if call.in_place:
            self._changed.add(first)
            self._changed.update(name for name, one in self._first.items() if one == first)
        self._first.update({name: first for name in call.outputs if name})

    def check(self, name: str, reader: str) -> None:
        """Raise UnreadableNetwork where a later operator has changed a value in place."""
        if name in self._changed:
            raise UnreadableNetwork(
                f"{reader} reads {name!r} after an operator that works in place has changed it: "
                "export the model without inplace=True, or save program.run_decompositions()"
            )
