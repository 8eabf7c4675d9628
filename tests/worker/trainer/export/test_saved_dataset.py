"""From a folder of Hugging Face's `datasets` to predictions for pictures."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from core.data import intake
from core.data.files import ReadLimits
from core.graph.building import chain
from core.layers import Dense, Flatten, Input, Output
from core.protocol.states import TrialKind
from netmorph.uploads import packed
from tests.worker.orders import order_for
from tests.worker.trainer.export.history import HISTORY
from tests.worker.trainer.running import run
from worker.trainer.export import predict

SAVED = Path(__file__).parents[3] / "assets" / "saved_datasets" / "images"


def test_a_saved_data_set_is_learned_and_pictures_are_predicted(
    environment, storage, tmp_path: Path
) -> None:
    with packed(SAVED) as file:
        found = intake.read(io.BytesIO(file.read_bytes()), ReadLimits())
    network = chain(iter([Input(found.spec.input_shape), Flatten(), Dense(2), Output()]))
    order = order_for(
        storage, found.arrays, network, {"epochs": 30, "learning_rate": 0.05},
        kind=TrialKind.FINAL, history=HISTORY, dataset_spec=found.spec,
    )  # fmt: skip

    ended, _ = run(order, environment)
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        archive.extractall(tmp_path / "export")
    dog = np.full((6, 5), 50, np.uint8)
    for name, left in (("cat", 50), ("dog", 170)):
        dog[:, :2] = left
        Image.fromarray(dog).save(tmp_path / f"{name}.png")
    model = predict.Model(tmp_path / "export")
    reader = predict.Reader(model)
    rows = [reader.source(tmp_path / f"{name}.png").read(0, 1) for name in ("cat", "dog")]

    assert [model.predict(row)[0] for row in rows] == ["a/cat", "dog"]
