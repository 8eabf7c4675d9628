"""The exported server predicts over HTTP as the exported program does."""

import io
import json
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.worker.orders import CLASSES, arrays
from worker.trainer.export import predict

X = arrays().x_test


def commands_of(folder, port):
    """The checking and the serving command of the exported Dockerfile, for another port."""
    text = (folder / "Dockerfile").read_text().replace("8000", str(port))
    found = re.findall(r"^ *CMD (\[.*\])$", text, re.MULTILINE)
    return [[sys.executable, *json.loads(command)[1:]] for command in found]


@pytest.fixture(scope="module")
def url(folder):
    """The address of a server that was started as in a container."""
    _, command = commands_of(folder, 0)
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            yield next(found[0] for line in lines if (found := re.search(r"http://[\d.:]+", line)))
        finally:
            process.terminate()
            process.communicate()


def call(address, body=None, kind="application/json"):
    """The status and the decoded body of an answer."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_a_container_has_the_files_and_its_health_is_checked(folder, url):
    text = (folder / "Dockerfile").read_text()
    copied = " ".join(re.findall(r"^COPY (.*) \./$", text, re.MULTILINE)).split()
    assert {"serve.py", "predict.py", "requirements.txt"} < {*copied}
    assert all((folder / name).is_file() for name in copied)
    check, _ = commands_of(folder, urlsplit(url).port)
    assert subprocess.run(check, check=False).returncode == 0
    check, _ = commands_of(folder, 1)  # where no server listens
    assert subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode == 1


def test_the_server_says_what_it_reads(url):
    assert call(f"{url}/health") == (
        200,
        {"status": "ok", "classes": list(CLASSES), "input_shape": [1, 6, 4], "layout": "NCHW"},
    )


def test_the_server_predicts_lists_files_and_pictures(url, folder):
    model = predict.Model(folder)
    expected = [predict.as_json(model, row, None) for row in model.probabilities(X)]
    npy, png = io.BytesIO(), io.BytesIO()
    np.save(npy, X)
    Image.fromarray(X[0, 0]).save(png, "png")
    _, lists = call(f"{url}/predict", {"examples": X[..., 0, :, :].tolist(), "layout": "NHW"})
    _, file = call(f"{url}/predict/file", npy.getvalue(), "application/octet-stream")
    assert lists == file == {"predictions": expected, "warnings": []}
    _, picture = call(f"{url}/predict/file", png.getvalue(), "image/png")
    assert [found["class"] for found in picture["predictions"]] == [expected[0]["class"]]


def test_the_server_warns_of_unusual_values(url):
    status, found = call(f"{url}/predict", {"examples": (X[:2] / 255).tolist()})
    assert status == 200
    assert len(found["predictions"]) == 2
    assert "2 of 2 examples (first: index 0) hold fractions" in found["warnings"][0]
    file = io.BytesIO()
    np.save(file, X[:2] / 255)
    _, found = call(f"{url}/predict/file", file.getvalue(), "application/octet-stream")
    assert "2 of 2 examples (first: index 0) hold fractions" in found["warnings"][0]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("predict", {"examples": [[1, 2], [3]]}, 422, "the examples are not all of one shape"),
        ("predict", {"examples": [[1, 2], [3, 4]]}, 422, "expected (N, 1, 6, 4)"),
        ("predict", {"examples": [["a"]]}, 422, "of type <U1; expected numbers"),
        ("predict", b'{"examples": [[NaN]]}', 422, "NaN"),
        ("predict", {"examples": [[1]], "layout": "N"}, 422, "the layout is 'N'"),
        ("predict", b"{", 422, "JSON"),
        ("predict/file", b"", 422, "no readable .npy, .npz or picture"),
        ("predict/file", b"\x89PNG", 422, "no readable .npy, .npz or picture"),
    ],
)
def test_the_server_says_what_is_wrong(url, path, body, status, message):
    found, answer = call(f"{url}/{path}", body)
    assert found == status
    assert message in json.dumps(answer)
    assert tempfile.gettempdir() not in json.dumps(answer)


def test_the_server_reads_no_large_body(url):
    request = urllib.request.Request(f"{url}/predict", b"1", {"Content-Length": str(10**9)})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value:
        assert refused.value.code == 413
