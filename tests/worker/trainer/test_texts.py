"""The usual networks for texts learn from few real ones."""

import io

import numpy as np
import pytest

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.graph.root_kinds import OF_TEXTS
from core.graph.roots import all_roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import TrialStatus
from core.search.recipe import hyperparameters
from tests.docstrings import docstrings
from tests.worker.orders import order_for
from tests.worker.trainer.running import run

EPOCHS = 8
LEAST = 0.6  # right, of the validation examples; the most frequent package has a sixth


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_TEXTS)
def test_every_root_learns_from_few_texts(kind, storage, environment) -> None:
    """Behind the largest values the units of a hidden layer once died here."""
    file = io.BytesIO()
    texts, packages = docstrings()
    np.savez(file, x=np.array(texts), y=np.array(packages))
    found = intake.read(io.BytesIO(file.getvalue()), ReadLimits(), ReadOptions())
    root = all_roots(found.spec, Bounds())[kind]
    chosen = hyperparameters(
        SearchConfig(budget=Budget(trials=1)), found.spec, EPOCHS, None, EPOCHS
    ).model_dump(exclude_unset=True)

    ended, _ = run(order_for(storage, found.arrays, root, chosen), environment)

    assert ended.status is TrialStatus.COMPLETED, ended.reason
    assert ended.value >= LEAST
