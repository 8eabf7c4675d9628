"""Trainings keep to the splits of a data set, from its file to the prediction of its export."""

import dataclasses
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.split_rule import SplitRule
from core.errors import InvalidInput
from core.graph.building import chain
from core.layers import Dense, Input, Output
from core.protocol.contracts.datasets import SplitKind, SplitSpec
from core.protocol.states import TrialKind
from core.search.recipe import hyperparameters
from core.search.splits import check_splits, split_seeds
from tests.core.search.test_defaults import config
from tests.worker.orders import arrays, described, order_for
from tests.worker.trainer.export.history import HISTORY
from tests.worker.trainer.running import run
from worker.trainer.export import predict
from worker.trainer.job_data import DataReader
from worker.trainer.networks.compute import Compute
from worker.trainer.train_job import TrainJob

PLAIN = Compute(torch.device("cpu"))
KEYS = {
    SplitKind.GIVEN: np.repeat([0, 1], [70, 20]),
    SplitKind.GROUP: np.arange(90) // 6,
    SplitKind.TIME: np.arange(90)[::-1] // 2,
}


def shades(examples: Any) -> list[int]:
    """Which examples these are: each has another shade in its last pixel."""
    pixels = torch.cat([x[:, 0, -1, -1] for x, _ in examples.batches(30)]).numpy()
    normal = examples.normalisation
    return np.rint(pixels * normal.std[0] + normal.mean[0]).astype(int).tolist()


@pytest.mark.parametrize("kind", KEYS)
def test_trials_and_the_final_fit_keep_to_the_rule_of_the_data_set(storage, tmp_path, kind) -> None:
    rule = SplitRule(kind, KEYS[kind].astype(np.int64))
    data = dataclasses.replace(arrays(), rule=rule)
    data.x_train[:, 0, -1, -1] = np.arange(90)

    def read(**changes: Any) -> Any:
        job = TrainJob.of(order_for(storage, data, **changes))
        return DataReader().read(job, storage, tmp_path, PLAIN)

    trial = read()
    final = read(kind=TrialKind.FINAL, parent_weights=order_for(storage, data).dataset)

    train, validation = rule.validation(data.y_train, 0.2, 0)
    assert shades(trial.training) == train.tolist()
    assert shades(trial.validation) == validation.tolist()
    train, held = rule.final(data.y_train, validation, 0.25, 0)
    assert shades(final.training) == train.tolist()
    assert shades(final.validation) == held.tolist()
    assert set(held) < set(validation)


def rows(start: int, end: int) -> bytes:
    """Rows of patients, fifteen each, whose class is the sign of a number."""
    lines = [
        f"{(k % 7 - 3.5)},p{k // 15},{k},{'no' if k % 7 < 4 else 'yes'}" for k in range(start, end)
    ]
    return "\n".join(["number,patient,day,y", *lines]).encode()


def parts() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, one in {"train": (0, 80), "val": (80, 100), "test": (100, 120)}.items():
            archive.writestr(f"{name}.csv", rows(*one))
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "options", "lines"),
    [
        (parts(), {}, ["| test split | as in the files |",
                       "| validation split | as in the files: 20 examples |",
                       "95 (5 of the validation split were held out to compare on)"]),
        (rows(0, 120), {"group": "patient"},
         ["| test split | a fifth by column 'patient', set aside at random: no group is in two s",
          "| validation split | 20 % of the training examples by column 'patient', seed 3: no gr"]),
        (rows(0, 120), {"time": "day"},
         ["| test split | the latest fifth by column 'day', from 96 on |",
          "| validation split | the latest 20 % of the training examples by column 'day' |"]),
    ],
)  # fmt: skip
def test_a_divided_table_is_learned_and_its_export_predicts_and_names_the_splits(
    environment, storage, tmp_path: Path, file: bytes, options: dict[str, str], lines: list[str]
) -> None:
    found = intake.read(io.BytesIO(file), ReadLimits(), ReadOptions(**options))
    network = chain(iter([Input(found.spec.input_shape), Dense(2), Output()]))
    chosen = {"epochs": 20, "split_seed": 3, "learning_rate": 0.1, "mixing": 0.0}

    trial, _ = run(order_for(storage, found.arrays, network, chosen), environment)
    final, _ = run(
        order_for(
            storage, found.arrays, network, chosen, kind=TrialKind.FINAL, history=HISTORY,
            parent_weights=trial.weights,
        ),
        environment,
    )  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(storage.get(final.export))) as archive:
        archive.extractall(tmp_path / "export")
    (tmp_path / "new.csv").write_text("number,patient,day\n3,p1,1\n-3,p1,1\n")
    model = predict.Model(tmp_path / "export")
    source = predict.Reader(model).source(tmp_path / "new.csv")

    assert model.predict(source.read(0, 2)) == ["yes", "no"]
    card = (tmp_path / "export" / "README.md").read_text("utf-8").replace("\\", "")
    assert all(line in card for line in lines)


def test_a_search_leaves_the_split_of_the_data_set_as_it_is() -> None:
    few = dataclasses.replace(arrays(), rule=SplitRule(SplitKind.GIVEN, KEYS[SplitKind.GIVEN]))
    usual = described(few)
    given = usual.model_copy(
        update={"split": SplitSpec(validation=SplitKind.GIVEN, validation_examples=20)}
    )
    latest = usual.model_copy(update={"split": SplitSpec(validation=SplitKind.TIME)})
    repeated, seeded = config(splits=3), config(splits=3, split_seed=100)

    assert hyperparameters(config(), given, 1, None, 1).validation_fraction == 20 / 90
    assert split_seeds(repeated, usual) == (8, 9)
    assert split_seeds(repeated, given) == split_seeds(repeated, latest) == ()
    assert split_seeds(seeded, usual) == (101, 102)
    assert hyperparameters(seeded, usual, 1, None, 1).split_seed == 100
    for wrong, spec in ((repeated, latest), (config(validation_fraction=0.3), given)):
        with pytest.raises(InvalidInput, match=r"training\.(splits|validation_fraction) is"):
            check_splits(wrong, spec)
    check_splits(config(splits=1), given)
