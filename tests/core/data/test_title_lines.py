"""Tables with titles and notes above or below them, as spreadsheets write them."""

import io
from typing import Any

import pytest

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.errors import InvalidDataset

ROWS = "".join(f"{k * 7 % 31},{k * 5 % 29},{'xyz'[k % 3]},{k % 2}\n" for k in range(60))
NAMES = "a,b,c,y\n"


def read(text: str) -> Intake:
    return intake.read(io.BytesIO(text.encode()), ReadLimits(), ReadOptions(target="y"))


@pytest.mark.parametrize(
    ("above", "line", "title"),
    [
        ("Sales 2024\n", 2, "Sales 2024"),
        ("Sales 2024\n\n", 3, "Sales 2024"),
        ("Sales 2024,,,\n,,,\n", 3, "Sales 2024"),
        (",,Sales,\n", 2, "Sales"),
        ("Report,by me\n", 2, "Report"),
        ("# one\n# two\n# three\n", 4, "# one"),
        ('"two\nlines"\n', 3, "two\\nlines"),
        ("first,,second,\n", 2, "first"),
        ("sep=,\nSales 2024\n", 3, "Sales 2024"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_above_the_names_are_refused_with_the_line_of_the_names(
    above: str, line: int, title: str, ending: str
) -> None:
    lines = (above + NAMES + ROWS).replace("\n", ending)
    title = title if ending == "\n" else title.replace("\\n", "\\r\\n")

    with pytest.raises(InvalidDataset) as refused:
        read(lines)

    message = str(refused.value)
    assert message.startswith(f"line {line} seems to hold the names of the columns ('a', 'b', 'c'")
    before = "line 1 is" if line == 2 else f"lines 1 to {line - 1} are"
    assert f"and {before} above it, beginning with '{title}'; expected" in message
    assert message.endswith(f"in the first line: remove {'it' if line == 2 else 'them'}")


def test_the_separator_of_the_table_counts_and_not_that_of_the_title() -> None:
    table = (NAMES + ROWS).replace(",", ";")
    with pytest.raises(InvalidDataset, match=r"^line 2 seems to hold .*with 'Sales, of 2024'"):
        read(f"Sales, of 2024\n{table}")


@pytest.mark.parametrize(
    "text",
    [
        NAMES + ROWS,
        "a,,,y\n" + ROWS,  # two columns without names
        NAMES + "".join(f"{'pqrst'[k % 5]},{'uv'[k % 2]},,{k % 2}\n" for k in range(60)),
        "\n\n" + NAMES + ROWS,
        ",y\n" + "".join(f"{k * 7 % 31},{k % 2}\n" for k in range(60)),
    ],
)
def test_tables_without_titles_are_read(text: str) -> None:
    assert read(text).spec.class_names == ("0", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NAMES + ROWS + "Source: us\n", "row 62 has 1 cells.*if it is a title, a note or an empty"),
        (
            "T\n" + NAMES + "p,q,x,no\nr,s,z,yes\np,p,p,no\n",
            "found one column, 'T'",
        ),  # no numbers: who knows
        (ROWS, "the first row holds numbers"),
        ("a,b,y\n" + ROWS, "row 2 has 4 cells; expected 3"),
    ],
)
def test_other_tables_are_refused_for_their_own_reason(text: str, message: Any) -> None:
    with pytest.raises(InvalidDataset, match=message):
        read(text)
