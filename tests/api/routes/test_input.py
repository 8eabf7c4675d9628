"""Bad input is refused with a reason, and leaves nothing behind."""

import io
import json
import resource
import zipfile

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from api.roles import Role
from core.data.formats import FORMATS
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.training import Training

GOOD = {"dataset": "digits", "budget": {"trials": 3}}


def rows(world) -> dict[str, int]:
    """The number of rows of each table."""
    with world.engine.connect() as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in ("searches", "trials", "datasets")
        }


def refused(answer, status: int, *words: str) -> None:
    """Assert that the response is a problem document of one line that has these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "\n" not in answer.json()["detail"]
    body = json.dumps(answer.json(), ensure_ascii=False)
    for word in words:
        assert word in body


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset": "imagenet"}, ["imagenet", "digits", "fashion-mnist"]),
        ({"dataset": "../../etc/passwd"}, ["there is no data set"]),
        ({"dataset": ""}, ["dataset"]),
        ({"dataset": 7}, ["dataset"]),
        ({"budget": {}}, ["budget"]),
        ({"budget": {"trials": 0}}, ["budget", "trials", "greater"]),
        ({"budget": {"trials": -3}}, ["budget", "trials"]),
        ({"budget": {"trials": 10**9}}, ["budget", "trials"]),
        ({"budget": {"trials": 2.5}}, ["budget", "trials"]),
        ({"budget": {"trials": "12"}}, ["budget", "trials"]),
        ({"budget": {"trials": True}}, ["budget", "trials"]),
        ({"budget": {"seconds": 0}}, ["budget", "seconds"]),
        ({"budget": {"trials": 3, "cents": 5}}, ["budget", "cents"]),
        ({"budget": None}, ["budget"]),
        ({"strategy": "astrology"}, ["astrology", "bayesian", "random"]),
        ({"task": "world-peace"}, ["world-peace", "image-classification"]),
        ({"parallelism": 0}, ["parallelism"]),
        ({"parallelism": 1.5}, ["parallelism"]),
        ({"seed": -1}, ["seed"]),
        ({"seed": 2**64}, ["seed"]),
        ({"training": {"epochs": 0}}, ["epochs"]),
        ({"training": {"learning_rate": 0}}, ["learning_rate"]),
        ({"training": {"augmentation": "rotate"}}, ["augmentation", "shift"]),
        ({"training": {"validation_fraction": 0.9}}, ["validation_fraction"]),
        ({"bounds": {"max_layers": -1}}, ["bounds"]),
        ({"bounds": {"latency": 0}}, ["latency", "greater"]),
        ({"bounds": {"latency": "2 ms"}}, ["latency", "number"]),
        ({"bounds": {"latency": 0.000001}}, ["bounds are too small", "expected latency of"]),
        ({"bounds": {"parameters": 100}}, ["bounds are too small", "parameters"]),
        ({"priority": "first"}, ["priority", "'low', 'normal' or 'high'", "found 'first'"]),
        ({"priority": 7}, ["priority", "'low', 'normal' or 'high'", "found 7"]),
        ({"cost": "carbon"}, ["carbon", "parameters", "flops", "latency"]),
        ({"cost": ["flops", "latency"]}, ["cost"]),
        ({"strategy_options": {"cost": "flops"}}, ["no option 'cost'", "bayesian"]),
        ({"name": "a\u0000b"}, ["NUL"]),
        ({"name": "\u202egnp.exe"}, ["name", "control"]),
        ({"name": "   "}, ["name", "empty"]),
        ({"name": "x" * 129}, ["name", "128"]),
        ({"owner_id": "me"}, ["owner_id"]),
    ],
)  # fmt: skip
def test_an_impossible_search_is_refused(person, world, change, words):
    refused(person().http.post("/v1/searches", json=GOOD | change), 422, *words)
    assert rows(world)["searches"] == 0


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, ["required"]),
        (b"{", 400, ["not valid JSON"]),
        (b"[]", 422, []),
        (b'{"dataset": "digits", "budget": {"seconds": NaN}}', 400, ["NaN"]),
        (b'{"dataset": "digits", "budget": {"seconds": Infinity}}', 400, ["Infinity"]),
        (b'{"dataset": "digits", "budget": {"seconds": 1e999}}', 422, ["too large"]),
        (b'{"dataset": "digits", "dataset": "x", "budget": {"trials": 1}}', 400, ["twice"]),
        (b"[" * 100_000, 400, ["nests deeper"]),
        (b"[" * 21 + b'"' + b'\\"' * 500_000, 400, ["nests deeper"]),  # in linear time
        (b'{"dataset": "\xff"}', 400, ["UTF-8"]),
        (b'{"dataset": "\\ud800", "budget": {"trials": 1}}', 422, ["surrogate"]),
        (b'"' + b"x" * 2**20 + b'"', 413, ["larger than"]),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(person, world, body, status, words):
    answer = person().http.post(
        "/v1/searches", content=body, headers={"Content-Type": "application/json"}
    )
    refused(answer, status, *words)
    assert rows(world)["searches"] == 0


def test_a_compressed_body_is_refused(person):
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    refused(person().http.post("/v1/searches", content=b"x", headers=headers), 415, "unpacked")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/searches?limit=0", 422),
        ("/v1/searches?limit=501", 422),
        ("/v1/searches?limit=many", 422),
        ("/v1/searches?cursor=nonsense", 422),
        ("/v1/searches/not-an-id", 422),
        ("/v1/searches/00000000-0000-0000-0000-000000000000", 404),
        ("/v1/searches/00000000-0000-0000-0000-000000000000?wait=-1", 422),
        ("/v1/searches/00000000-0000-0000-0000-000000000000?since=99999999999999999999", 422),
        ("/v1/searches/00000000-0000-0000-0000-000000000000/front", 404),
        ("/v1/searches/00000000-0000-0000-0000-000000000000/front?cost=carbon", 422),
        ("/v1/nothing", 404),
    ],
)
def test_an_impossible_request_is_refused(person, path, status):
    refused(person().http.get(path), status)


def test_an_unknown_method_is_refused(person):
    refused(person().http.put("/v1/searches", json={}), 405)


# --- uploads ---------------------------------------------------------------------------------

X = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8)
Y = np.arange(60) % 3


def npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def bomb() -> bytes:
    """A file of some hundred kilobytes that unpacks to a quarter of a gigabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w") as stream:
            header = {"shape": (2**18, 32, 32), "fortran_order": False, "descr": "|u1"}
            np.lib.format.write_array_header_1_0(stream, header)
            for _ in range(2**8):
                stream.write(bytes(2**20))
        with archive.open("y.npy", "w") as stream:
            np.lib.format.write_array(stream, Y)
    return file.getvalue()


def boaster() -> bytes:
    """A header that claims terabytes in front of nothing."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("x.npy", "w") as stream:
            header = {"shape": (2**40, 8), "fortran_order": False, "descr": "<f8"}
            np.lib.format.write_array_header_1_0(stream, header)
        with archive.open("y.npy", "w") as stream:
            np.lib.format.write_array(stream, Y)
    return file.getvalue()


def climber() -> bytes:
    """An array whose name is a path."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w") as archive,
        archive.open("../../x.npy", "w") as stream,
    ):
        np.lib.format.write_array(stream, X)
    return file.getvalue()


FILES = {
    "pickled objects": (lambda: npz(x=np.array([{}] * 60), y=Y), ["pickled"]),
    "no npz": (lambda: b"hello", ["no known format"]),
    "empty": (lambda: b"", ["the file is empty"]),
    "cut off": (lambda: npz(x=X, y=Y)[:2000], ["not a readable npz"]),
    "one axis": (lambda: npz(x=X[:, 0, 0], y=Y), ["shape", "expected"]),
    "no examples": (lambda: npz(x=X[:0], y=Y[:0]), ["shape"]),
    "other length": (lambda: npz(x=X, y=Y[:-1]), ["60 train examples and 59 labels"]),
    "NaN": (lambda: npz(x=np.full((60, 4), np.nan), y=Y), ["NaN"]),
    "infinite": (lambda: npz(x=np.full((60, 4), np.inf), y=Y), ["infinite"]),
    "huge": (lambda: npz(x=np.full((60, 4), 1e300), y=Y), ["at most 1e+100"]),
    "label with NUL": (lambda: npz(x=X, y=np.array(["a\0b", "c", "d"])[Y]), ["U+0000"]),
    "half a surrogate": (lambda: npz(x=X, y=np.array(["\ud800", "c", "d"])[Y]), ["U+D800"]),
    "one class": (lambda: npz(x=X, y=np.zeros(60, int)), ["1 class"]),
    "rare class": (lambda: npz(x=X, y=(np.arange(60) == 0).astype(int)), ["expected at least 3"]),
    "label out of range": (
        lambda: npz(x_train=X, y_train=Y, x_test=X, y_test=Y + 1), ["label '3'", "training"]
    ),
    "label beyond names": (
        lambda: npz(x=X, y=Y, class_names=np.array(["a", "b"])), ["0 to 1"]
    ),
    "negative label": (
        lambda: npz(x=X, y=Y - 1, class_names=np.array(["a", "b", "c"])), ["-1"]
    ),
    "fractions": (
        lambda: npz(x=X, y=Y + 0.5, class_names=np.array(["a", "b", "c"])), ["fractions"]
    ),
    "test of another size": (
        lambda: npz(x_train=X, y_train=Y, x_test=X[:, :7], y_test=Y), ["expected the same"]
    ),
    "labels missing": (lambda: npz(x=X), ["found arrays ['x']", "expected"]),
    "strange array": (lambda: npz(x=X, y=Y, z=Y), ["'z'"]),
    "text": (lambda: npz(x=np.array([["a", "b"]] * 60), y=Y), ["expected numbers"]),
    "complex": (lambda: npz(x=np.ones((60, 4), complex), y=Y), ["complex128"]),
    "bomb": (bomb, ["ratio"]),
    "boaster": (boaster, ["claims shape"]),
    "climber": (climber, ["../../x"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_not_a_data_set_is_refused(person, world, app, kind):
    make, words = FILES[kind]
    content = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = person().http.post(
        "/v1/datasets", data={"name": "mine"}, files={"file": ("d.npz", content)}
    )
    refused(answer, 422, *words)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert grown < 2**16, "the file was unpacked before it was refused"
    assert rows(world)["datasets"] == 0


def test_a_file_that_is_too_large_is_refused(person, world):
    answer = person().http.post(
        "/v1/datasets", data={"name": "mine"}, files={"file": ("d.npz", bytes(3 * 2**20))}
    )
    refused(answer, 413, "larger than")
    assert rows(world)["datasets"] == 0


def test_a_name_that_cannot_be_shown_is_refused(person):
    client = person().http
    for name, words in [("x" * 129, ["128"]), ("\x07", ["control"])]:
        files = {"file": ("d.npz", npz(x=X, y=Y))}
        refused(client.post("/v1/datasets", data={"name": name}, files=files), 422, *words)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"layout": "XY"}, ["'XY'", "NHWC"]),
        ({"layout": "NHWC"}, ["4 axes as layout"]),
        ({"layout": "N\0"}, ["layout is"]),
        ({"image_side": "0"}, ["image_side", "greater"]),
        ({"image_side": "big"}, ["image_side", "integer"]),
        (
            {"target": "y"},
            ["a target column, a text column, categories and columns to leave out are"],
        ),
        ({"target": "y" * 4097}, ["target", "4096"]),
        ({"merge_labels": "perhaps"}, ["merge_labels", "boolean"]),
        ({"leaveout": "x"}, ["unknown field 'leaveout': did you mean 'leave_out'?"]),
        ({"xyz": "x"}, ["unknown field 'xyz': expected name, file, layout, image_side, target"]),
        ({"merge_labels": "true"}, ["labels are int64", "expected texts for --merge-labels"]),
    ],
)
def test_impossible_options_of_an_upload_are_refused(person, field, words):
    answer = person().http.post(
        "/v1/datasets", data={"name": "mine", **field}, files={"file": ("d", npz(x=X, y=Y))}
    )
    refused(answer, 422, *words)


def test_a_table_is_uploaded_with_its_target_and_its_categories(person):
    client = person().http
    rows = "".join(f"{k},{k * 7 % 31},{k % 3},{k % 2},{k % 9}\n" for k in range(60))
    form = {"name": "mine", "target": "churned", "category": ["plan", "churns"]}
    form["leave_out"] = ["shoes", "height"]

    def upload():
        files = {"file": ("d", f"age,calls,plan,churned,shoes\n{rows}".encode())}
        return client.post("/v1/datasets", data=form, files=files)

    refused(upload(), 422, "no column 'height' to leave out", "'age', 'calls', 'plan'")
    form["leave_out"] = ["shoes"]
    refused(upload(), 422, "no column 'churns'", "'age', 'calls', 'plan'")
    form["category"] = ["plan"]
    made = upload().json()
    assert (made["input_shape"], made["class_names"]) == ([4], ["0", "1"])
    kinds = {one["name"]: one["taken_as"] for one in made["description"]["columns"]}
    assert kinds == {
        "churned": "target", "age": "left out", "calls": "number", "plan": "category",
        "shoes": "left out",
    }  # fmt: skip


def test_images_are_uploaded_with_a_table_of_their_labels(person):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for k in range(20):
            picture = io.BytesIO()
            Image.fromarray(np.full((4, 4), k, np.uint8)).save(picture, "PNG")
            files.writestr(f"pets/all/{k}.png", picture.getvalue())
        lines = [f"{k},{k % 2},{k // 4},{k}.5" for k in range(20)]
        files.writestr("pets/any.csv", "\n".join(["file,label,owner,weight", *lines]))

    def upload(**form):
        content = {"file": ("d", archive.getvalue())}
        return person().http.post("/v1/datasets", data={"name": "pets"} | form, files=content)

    made = upload(group="owner").json()
    assert (made["class_names"], made["description"]["format"]) == (["0", "1"], "labelled-images")
    assert made["description"]["splits"][1]["groups"] == 1
    assert upload(target="weight").json()["target_names"] == ["weight"]
    refused(upload(target="height"), 422, "no column 'height'", "'label', 'owner', 'weight'")
    refused(upload(text="owner"), 422, "a text column, categories and columns to leave out are")


def test_the_rules_of_uploads_are_there_before_an_upload(person):
    rules = person().http.get("/v1/datasets/intake").json()
    assert rules["max_upload_bytes"] == 2**20
    assert set(rules["formats"]) == set(FORMATS)
    assert any("channels" in rule for rule in rules["layouts"])
    assert rules["builtins"] == ["digits", "fashion-mnist"]


@pytest.mark.parametrize(
    ("arrays", "shape"),
    [
        ({"x": X, "y": Y}, [1, 8, 8]),
        ({"x": X[..., None].repeat(3, 3), "y": Y}, [3, 8, 8]),
        ({"x": X.reshape(60, 64) / 255, "y": Y}, [64]),
        ({"x": X, "y": np.array(["cat", "dog", "emu"])[Y]}, [1, 8, 8]),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y}, [1, 8, 8]),
    ],
)
def test_a_valid_file_becomes_a_data_set(person, arrays, shape):
    client = person().http
    made = client.post(
        "/v1/datasets", data={"name": "mine"}, files={"file": ("d.npz", npz(**arrays))}
    )
    assert made.status_code == 201, made.text
    found = client.get(f"/v1/datasets/{made.json()['id']}").json()
    assert found["input_shape"] == shape
    assert found["classes"] == 3
    search = client.post("/v1/searches", json=GOOD | {"dataset": found["id"]})
    assert search.status_code == 201, search.text


NUMBERS = (2**31, 2**70, -(2**70), 1e308)


def number_fields() -> list[tuple[str, ...]]:
    """The paths of all numbers in the body of a new search."""
    parts = {"budget": Budget, "training": Training, "bounds": Bounds}
    nested = [(part, name) for part, kind in parts.items() for name in kind.model_fields]
    return [*nested, ("parallelism",), ("seed",), ("strategy_options", "x")]


def test_no_number_of_a_search_is_an_error_of_ours(person):
    client = person().http
    for *outer, name in number_fields():
        for number in NUMBERS:
            body = {"dataset": "digits", "budget": {"trials": 1}}
            inner = body
            for part in outer:
                inner = inner.setdefault(part, {})
            inner[name] = number
            assert client.post("/v1/searches", json=body).status_code < 500, (*outer, name, number)
    assert client.get("/v1/searches?limit=500").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": "9999-12-31T23:59:59-23:00"},
        {"expires_at": "0001-01-01T00:00:00+23:00"},
        {"expires_at": 2**70},
        {"expires_at": "2100-01-01T00:00:00"},
        {"role": "root"},
        {"name": "x" * 200},
    ],
)
def test_an_impossible_key_is_refused(person, change):
    admin = person(Role.ADMIN).http
    answer = admin.post("/v1/keys", json={"name": "laptop"} | change)
    assert answer.status_code == 422, answer.text
    assert admin.get("/v1/keys").status_code == 200


@pytest.mark.parametrize("grace", [-1, 8 * 86_400, 2**70, "soon"])
def test_an_impossible_rotation_is_refused(person, grace):
    admin = person(Role.ADMIN)
    path = f"/v1/keys/{admin.caller.key_id}:rotate"
    assert admin.http.post(path, json={"grace_seconds": grace}).status_code == 422
    rotated = admin.http.post(path, json={"grace_seconds": 60})
    assert rotated.status_code == 200
    assert rotated.json()["id"] == str(admin.caller.key_id)
    assert admin.http.get("/v1/keys").status_code == 200  # with the old secret, for a minute
