"""Fields that several answers have."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

Value = Annotated[
    float,
    Field(
        description="metric on the validation split; `larger_is_better` of the search says which "
        "values are better"
    ),
]
ValueStd = Annotated[
    float | None, Field(description="standard error of the value; null if unknown")
]
MeasuresOut = Annotated[
    dict[str, float],
    BeforeValidator(lambda found: dict(found or {})),
    Field(
        description="further measures of the network by name, in the units of its data; empty "
        "where its task type has none"
    ),
]
Layers = Annotated[int, Field(description="nodes of the graph")]
Parameters = Annotated[int, Field(description="parameters of the network")]
Flops = Annotated[
    int, Field(description="FLOPs of one example, forward: two for each multiply-add")
]
Latency = Annotated[
    float | None, Field(description="measured seconds for one example; null if not measured")
]
Precision = Annotated[
    str | None, Field(description='how it was computed, such as "bf16 channels-last"')
]
Members = Annotated[
    list[int],
    Field(
        description="of an ensemble: numbers of its trials, the winner first; empty: it is no "
        "ensemble"
    ),
]
EnsembleWords = Annotated[
    str, Field(description='these in words: "an ensemble of trials 5, 7 and 9"; or empty')
]
ExportBytes = Annotated[
    int | None, Field(description="size of the exported file in bytes; null: there is none yet")
]
Shared = Annotated[
    bool, Field(description="whether all users of the service may read it; they change nothing")
]
CreatedAt = Annotated[datetime, Field(description="when it was created")]
StartedAt = Annotated[
    datetime | None, Field(description="when it was started; null: it was not yet")
]
EndedAt = Annotated[datetime | None, Field(description="when it ended; null: it has not yet")]
NextCursor = Annotated[
    str | None, Field(description="`cursor` of the next page; null: this is the last one")
]
