"""Names of files and cells that name images, also hostile ones of many characters."""

import pytest

from core.data.image_names import ImageIndex
from core.data.part_names import part_of


@pytest.mark.parametrize(
    ("cell", "image"),
    [("0", "000.png"), ("7", "007.png"), ("7.0", "007.png"), ("00700", "700.png")],
)
def test_zeros_before_a_number_have_no_effect(cell: str, image: str) -> None:
    assert ImageIndex(["000.png", "007.png", "700.png"]).named_by(cell) == [image]


def test_a_cell_of_many_zeros_is_looked_up_at_once() -> None:
    """Each zero may begin the number: tried one by one, they would take hours."""
    assert ImageIndex(["007.png"]).named_by("0" * 10**6 + "x") == []
    assert ImageIndex(["007.png"]).named_by("0" * 10**6 + "7") == ["007.png"]


def test_the_part_in_a_name_of_many_words_is_found_at_once() -> None:
    """Zip files have names of up to 65,535 bytes, of any characters."""
    for name, part in [
        ("train-" * 10_000 + "\n\n", "train"),
        ("\n" + "-test" * 10_000, "test"),
        ("-" * 60_000, None),
        ("trainer-" * 8_000, None),
        ("set_test.csv", "test"),
    ]:
        assert part_of(name) == part
