"""New searches: an impossible one is refused before it is stored."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from api.models.datasets import Dataset
from api.models.searches import Search
from api.schemas.new_searches import SearchIn
from api.store import new_searches
from core.errors import InvalidInput, NetmorphError
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds

GOOD: dict[str, Any] = {"dataset": "data", "budget": {"trials": 3}}


@pytest.fixture
def caller(world: Any) -> Any:
    return world.caller()


@pytest.fixture
def dataset(world: Any, caller: Any) -> Dataset:
    made = world.dataset(caller, name="data")
    with world.sessions.begin() as session:
        return session.get_one(Dataset, made)


@pytest.fixture
def create(world: Any, caller: Any, dataset: Dataset) -> Any:
    """Creates a search from the fields of a body."""

    def run(**changes: Any) -> Any:
        body = SearchIn.model_validate(GOOD | changes)
        with world.sessions.begin() as session:
            return new_searches.create(session, caller, body, dataset)

    return run


def test_a_search_is_stored_with_the_facts_derived_from_its_data(create, world, dataset) -> None:
    made = create(budget={"seconds": 600}, parallelism=2)
    row = world.get_search(made.id)
    assert (row.status, row.dataset_id, row.parallelism) == ("pending", dataset.id, 2)
    assert 0 < row.trials_deadline < 600  # time is left for the final fit
    assert made.name.startswith("data ")
    assert made.metric == "accuracy"


def test_a_search_gets_its_own_name_before_that_of_another_one(create):
    first = create(name="pets")
    assert create(name_after=first.id).name == "pets (2)"
    assert create(name_after=first.id).name == "pets (3)"
    assert create(name_after=first.id, name="cats").name == "cats"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "image-segmentation"}, "task: the data set is for 'image-classification'"),
        ({"strategy": "astrology"}, "astrology"),
        (
            {"name_after": UUID(int=7)},
            f"name_after: there is no search {UUID(int=7)}: `netmorph ls`, or",
        ),
        ({"strategy_options": {"nonsense": 1}}, "nonsense"),
        ({"bounds": {"parameters": 100}}, "bounds are too small"),
        ({"bounds": {"morphisms": ["grow"]}}, "morphisms: unknown morphism 'grow'; known are: "),
        ({"bounds": {"without_layers": ["swish"]}}, "without_layers: unknown layer 'swish'; "),
        ({"bounds": {"without_layers": ["output"]}}, "excluded layers output"),
        (
            {"bounds": {"morphisms": ["widen"]}, "strategy": "grid"},
            "morphisms: the strategy 'grid' varies depth and width alone",
        ),
        ({"keep_accuracy": True}, "no root whose accuracy could be kept"),
    ],
)
def test_a_search_that_cannot_work_is_refused_and_not_stored(
    create, world, changes, message
) -> None:
    with pytest.raises(NetmorphError, match=message) as caught:
        create(**changes)
    assert isinstance(caught.value, InvalidInput)
    with world.sessions.begin() as session:
        assert session.scalar(select(func.count()).select_from(Search)) == 0


def test_the_changes_and_layers_of_a_search_can_be_chosen(create, world) -> None:
    chosen = {"morphisms": ["widen", "deepen"], "without_layers": ["silu"]}
    made = create(bounds=chosen)
    assert made.bounds.model_dump(mode="json").items() >= chosen.items()
    assert made.bounds.parameters > 10_000  # the others are chosen as without them
    assert "morphisms" not in world.get_search(create().id).bounds  # older releases may read it


def test_a_search_that_keeps_an_accuracy_minimises_parameters_below_those_of_its_root(
    create, world, caller
) -> None:
    made = create(root=str(world.network(caller)), keep_accuracy=True)
    assert (made.keep_accuracy, made.cost, made.kept) == (True, "parameters", "")
    root = roots(world.dataset_spec(), Bounds())[0]
    assert made.bounds.parameters == root.parameters
    assert "keep_accuracy" not in world.get_search(create(keep_accuracy=False).id).config


def test_the_data_set_must_be_for_the_task_of_the_search(create, world, dataset) -> None:
    dataset.task = "of a later release"
    with pytest.raises(InvalidInput, match="the data set is for 'of a later release'"):
        create()
