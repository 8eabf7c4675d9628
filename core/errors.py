"""The errors of Netmorph's rules, as a tree that tells the caller what to do.

NetmorphError
├── InvalidInput            the caller's data is wrong: mend it, do not retry
│   ├── InvalidArchitecture     a graph that cannot exist
│   ├── IllegalMorphism         a morphism that does not apply to this architecture
│   ├── InvalidDataset          a data set that cannot be used
│   └── UnknownKind             a name that no registry knows
├── InfeasibleTrial         a fact about the architecture (out of memory, NaN): tell the surrogate
├── BlobError               stored bytes are not what was promised
│   ├── MissingBlob             nothing is stored under the key
│   └── CorruptBlob             the bytes do not have the promised hash
└── SpaceExhausted          no new architecture is left within the bounds: finish the search
    └── SearchSettled           another trial would only take time: finish the search
"""


class NetmorphError(Exception):
    """Any error that Netmorph raises on purpose; the message says what was found and expected."""


class InvalidInput(NetmorphError):
    """The caller's data is wrong: mend it, do not retry."""


class InvalidArchitecture(InvalidInput):
    """A graph that cannot exist: wrong arity, shapes that do not fit, a cycle."""


class IllegalMorphism(InvalidInput):
    """A morphism that does not apply to this architecture."""


class InvalidDataset(InvalidInput):
    """A data set that cannot be used for the task."""


class UnknownKind(InvalidInput):
    """A name that the registry does not know."""


class InfeasibleTrial(NetmorphError):
    """The architecture cannot be trained here; counts as an observation, never retried."""


class BlobError(NetmorphError):
    """Stored bytes are not what was promised."""


class MissingBlob(BlobError):
    """Nothing is stored under the key."""


class CorruptBlob(BlobError):
    """The stored bytes do not have the promised hash or form."""


class SpaceExhausted(NetmorphError):
    """No new architecture is left within the bounds: finish the search."""


class SearchSettled(SpaceExhausted):
    """Another trial would only take time from the final fit: finish the search."""
