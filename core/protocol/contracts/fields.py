"""The types of fields that several contracts have, and the limits of their lengths."""

from typing import Annotated, Any

from pydantic import Field

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
JsonObject = dict[str, Any]
#: Further measures of a network by name, in the unit of the user's data: {"RMSE": 54.3}.
Measures = dict[Annotated[str, Field(max_length=64)], Finite]
MOST_MEASURES = 64
MOST_GATHERED = 256  # epochs that one report may have
LONGEST_PRECISION = 64  # characters
LONGEST_REASON = 2000  # characters
