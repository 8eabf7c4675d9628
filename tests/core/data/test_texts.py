"""Texts as token numbers: the vocabulary, and the formats that hold texts."""

import csv
import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from core.data import intake
from core.data.datasets import decode, encode, stratified_test_split
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.split_words import USUAL_SEED
from core.data.texts.learning import learn
from core.data.texts.vocabulary import FIRST, PADDING, UNKNOWN, Vocabulary
from core.errors import InvalidDataset
from worker.trainer.export import predict

SPORT = "The team won the match with a late goal"
MONEY = "The bank raised the rate, and prices fell"
TEXTS = [f"{text} on day {k}" for k in range(20) for text in (SPORT, MONEY)]
LABELS = ["sport", "money"] * 20
#: Letters with marks, capital letters that change their length, symbols, unknown ones and blanks.
HARD = "abcÄßİñé̃हिन्दी日本😀▁_-,.'\"\n\t \u200b\u00a0#7"


def read(data: bytes, **options: str) -> intake.Intake:
    return intake.read(io.BytesIO(data), ReadLimits(), ReadOptions(**options))


def as_csv(texts: list[str] = TEXTS) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows([("id", "text", "label"), *zip("x" * 40, texts, LABELS)])  # noqa: B905
    return file.getvalue().encode()


def as_jsonl() -> bytes:
    pairs = zip(TEXTS, LABELS, strict=True)
    return "\n".join(json.dumps({"text": t, "label": y}) for t, y in pairs).encode()


def as_parquet() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table({"text": TEXTS, "label": LABELS}), file)
    return file.getvalue()


def as_npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.array(TEXTS), y=np.array(LABELS))
    return file.getvalue()


def as_folders() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for k, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)):
            archive.writestr(f"news/{label}/{k:02}.txt", text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (as_csv(), {"text": "text"}),
        (as_jsonl(), {"text": "text"}),
        (as_parquet(), {"text": "text"}),
        (as_npz(), {}),
        (as_folders(), {}),
    ],
    ids=["csv", "jsonl", "parquet", "npz", "folders"],
)
def test_texts_of_every_format_become_token_numbers(data, options, tmp_path) -> None:
    found = read(data, **options)

    spec = found.spec
    assert spec.class_names == ("money", "sport")
    assert (spec.train_examples, spec.test_examples, spec.dtype) == (32, 8, "int32")
    assert spec.text.column == options.get("text")
    assert spec.input_shape == (1, spec.text.length) == (1, 16)
    assert found.description.kind == "texts"
    words = Vocabulary(found.arrays.pieces).decode(found.arrays.x_train[0, 0])
    assert words.startswith(("the team won the match", "the bank raised the rate ,"))
    (tmp_path / "stored").write_bytes(encode(found.arrays))
    stored = decode(tmp_path / "stored")
    assert stored.pieces == found.arrays.pieces
    np.testing.assert_array_equal(stored.x_test, found.arrays.x_test)


def test_pieces_and_length_are_learned_from_the_training_texts_alone() -> None:
    first = read(as_csv(), text="text")
    _, tested = stratified_test_split(np.arange(1, 41) % 2, 0.2, USUAL_SEED)
    changed = ["zzzz zzzz " * 200 if k in tested else text for k, text in enumerate(TEXTS)]

    second = read(as_csv(changed), text="text")

    assert second.arrays.pieces == first.arrays.pieces
    np.testing.assert_array_equal(second.arrays.x_train, first.arrays.x_train)
    assert set(second.arrays.x_test[:, 0].ravel().tolist()) <= {PADDING, UNKNOWN}
    assert "of which only the start is read: 8" in "".join(second.description.warnings)


@settings(max_examples=60)
@given(
    trained=st.lists(st.text(HARD, max_size=30), min_size=1, max_size=4),
    text=st.text(st.one_of(st.sampled_from(HARD), st.characters()), max_size=60),
    length=st.integers(1, 12),
)
def test_an_export_cuts_texts_as_the_worker_does_and_tokens_can_be_written_back(
    trained: list[str], text: str, length: int
) -> None:
    vocabulary = Vocabulary(learn([*trained * 3, "abc abc abx"] * 3))
    exported = predict.Text({"column": None, "length": length, "pieces": [*vocabulary.pieces]})

    x = vocabulary.encode([text], length)

    assert x.max() < len(vocabulary)
    np.testing.assert_array_equal(exported.encode([text])[0], x)
    back = vocabulary.decode(x[0, 0])
    np.testing.assert_array_equal(exported.encode([back])[0], vocabulary.encode([back], length))


def test_frequent_words_become_pieces_and_the_vocabulary_keeps_to_its_bound() -> None:
    pieces = learn(["low lower lowest"] * 5 + ["new newer"] * 4 + ["xyz"], most=20)
    assert "▁low" in pieces
    assert "▁new" in pieces
    assert not any("z" in piece for piece in pieces)  # in fewer than three places
    assert len(pieces) + FIRST == 20
    vocabulary = Vocabulary(pieces)
    assert vocabulary.tokens("Low zz", 9)[0] == FIRST + pieces.index("▁low")
    assert vocabulary.tokens("Low zz", 9)[1:] == [UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (as_csv(), {"text": "body"}, "found no column 'body' with texts; expected one beside"),
        (as_csv(), {"text": "label"}, "found no column 'label' with texts"),
        (as_npz(), {"text": "text"}, "a target column, a text column, categories and columns to"),
        (as_npz(), {"layout": "NF"}, "the layout 'NF' is for numbers, and the examples are texts"),
        (as_csv(["…"] * 40), {"text": "text"}, None),
        (as_csv([""] * 40), {"text": "text"}, "hold no letters that occur three times"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do(data, options, message) -> None:
    if message is None:
        assert read(data, **options).spec.text.vocabulary == 3
        return
    with pytest.raises(InvalidDataset, match=message):
        read(data, **options)


def test_numbers_are_predicted_from_texts() -> None:
    values = "\n".join(f'"{text}",{k / 7}' for k, text in enumerate(TEXTS))
    found = read(f"text,y\n{values}".encode(), text="text")
    assert found.spec.target_names == ("y",)
    assert found.arrays.task == "regression"
