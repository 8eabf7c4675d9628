"""The errors of Netmorph's rules, as a tree that tells the caller what to do.

NetmorphError
├── InvalidInput            invalid input: fix it, do not retry
│   ├── InvalidArchitecture     a graph that cannot exist
│   ├── IllegalMorphism         a morphism that does not apply to this architecture
│   ├── InvalidDataset          a data set that cannot be used
│   └── UnknownKind             a kind that is not registered
├── InfeasibleTrial         cannot be trained (NaN, nothing learned): observe it, do not retry
│   └── OutOfMemory             too little memory here: retry on another kind of device
├── ExportMismatch          an exported program errs: do not offer it, report it
├── BlobError               stored bytes are missing or damaged
│   ├── MissingBlob             nothing is stored under the key
│   └── CorruptBlob             the bytes do not match their hash or format
├── DiskFull                no room for temporary files: make some, then retry
└── SpaceExhausted          no new architecture is left within the bounds: finish the search
    └── SearchSettled           another trial cannot pay off in the time left: finish the search
"""


class NetmorphError(Exception):
    """Any error that Netmorph raises on purpose.

    The message says what was found and what was expected.
    """


class InvalidInput(NetmorphError):
    """Invalid input: fix it, do not retry."""


class InvalidArchitecture(InvalidInput):
    """A graph that cannot exist: wrong arity, shapes that do not fit, a cycle."""


class IllegalMorphism(InvalidInput):
    """A morphism that does not apply to this architecture."""


class InvalidDataset(InvalidInput):
    """A data set that cannot be used for the task."""


class UnknownKind(InvalidInput):
    """A kind that is not registered; the message lists the known ones."""


class InfeasibleTrial(NetmorphError):
    """The architecture cannot be trained here; counts as an observation, never retried."""


class OutOfMemory(InfeasibleTrial):
    """The memory of this device does not suffice; that of another kind of device may."""


class ExportMismatch(NetmorphError):
    """An exported program predicts something else than its network: a bug, do not offer it."""


class BlobError(NetmorphError):
    """Stored bytes are missing or damaged."""


class MissingBlob(BlobError):
    """Nothing is stored under the key: it was never written, or it was deleted."""


class CorruptBlob(BlobError):
    """The stored bytes do not match their hash or format: fetch or write them again."""


class DiskFull(NetmorphError):
    """A temporary file has no room on its disk: make some, then retry."""


class SpaceExhausted(NetmorphError):
    """No new architecture is left within the bounds: finish the search."""


class SearchSettled(SpaceExhausted):
    """Another trial would only take time away from the final fit: finish the search."""
