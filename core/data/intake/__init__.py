"""From an uploaded file to a data set: its format is recognised, and what it holds is understood.

The result says how it was understood, so that a person can check it before anything is trained.
`reading` recognises the format; `arrays` and `tables` understand what is in it, with the meaning of
`labels`, the preparation of `examples` and of `texts`; `assembly` makes the data set.
"""

from core.data.intake.assembly import Intake, of_arrays
from core.data.intake.reading import read

__all__ = ["Intake", "of_arrays", "read"]
