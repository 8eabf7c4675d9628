"""The ONNX file of an export reads raw examples and gives probabilities or numbers."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.forward import forward
from core.layers import (
    LAYERS,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool2d,
    Input,
    Output,
    Sigmoid,
)
from core.protocol.contracts.results import TestMetrics
from tests.strategies import LAYER_EXAMPLES, random_weights
from tests.worker.orders import CLASSES, NETWORK, arrays
from tests.worker.trainer.export.inputs import inputs_of
from worker.trainer.data.normalisation import Normalisation
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.export import export, predict
from worker.trainer.export.check import in_layout
from worker.trainer.export.onnx_check import (
    FEWEST,
    MOST,
    AveragePool,
    MaxPool,
    check_onnx,
    examples_checked,
)
from worker.trainer.export.onnx_graph import OnnxGraph
from worker.trainer.export.onnx_layers import OPERATOR_SET, WRITERS, LayerCall
from worker.trainer.export.onnx_model import FORMAT, OnnxUnavailable, head_of, onnx_model

onnxruntime = pytest.importorskip("onnxruntime")
TESTED = TestMetrics(metric=1.0, loss=0.0, examples=30)
IMAGES = "image-classification"


def code_of_the_card(folder):
    card = (folder / "README.md").read_text("utf-8")
    return card.split("## ONNX")[1].split("```python\n")[1].split("```")[0]


def run(model: bytes, **inputs):
    """The first output of an ONNX file, as users run it."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def test_every_layer_has_an_operator():
    assert set(WRITERS) == set(LAYERS)


def file_of_one_layer(layer, parameters, shapes):
    graph = OnnxGraph()
    names = {name: graph.constant(array, name) for name, array in parameters.items()}
    inputs = [f"x{index}" for index in range(len(shapes))]
    call = LayerCall(layer, names, inputs, shapes)
    output = WRITERS[LAYERS.kind_of(layer)](graph, call)
    graph.operator("Identity", output)
    graph.rename_output("y")

    def info(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])

    given = list(map(info, inputs, shapes))
    written = graph.finished("one", given, [info("y", layer.output_shape(shapes))])
    sets = [helper.make_opsetid("", OPERATOR_SET)]
    model = helper.make_model(written, ir_version=FORMAT, opset_imports=sets)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind != "input"])
def test_each_layer_is_computed_as_in_the_reference(kind):
    rng = np.random.default_rng(0)
    for layer, shapes in LAYER_EXAMPLES[kind]:
        inputs = [rng.normal(scale=3, size=(3, *shape)).astype(np.float32) for shape in shapes]
        parameters = {
            name: rng.uniform(0.5, 2, shape).astype(np.float32)
            for name, shape in layer.parameter_shapes(shapes).items()
        }
        found = run(
            file_of_one_layer(layer, parameters, shapes),
            **{f"x{index}": x for index, x in enumerate(inputs)},
        )
        expected = layer.forward(parameters, inputs)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if "pool" in kind])
def test_the_check_of_a_file_computes_each_pool_as_the_runtime_does(kind):
    for layer, shapes in LAYER_EXAMPLES[kind]:
        x = np.random.default_rng(0).normal(size=(3, *shapes[0])).astype(np.float32)
        evaluator = ReferenceEvaluator(
            file_of_one_layer(layer, {}, shapes), new_ops=[MaxPool, AveragePool]
        )
        (found,) = evaluator.run(None, {"x0": x})
        np.testing.assert_allclose(found, layer.forward({}, [x]), rtol=1e-5, atol=1e-5)


def test_an_export_has_a_file_that_predicts_as_its_program_does(folder):
    model, x = predict.Model(folder), arrays().x_test
    found = run((folder / "model.onnx").read_bytes(), examples=x)
    np.testing.assert_allclose(found, model.probabilities(x), atol=1e-4)
    facts = {fact.key: fact.value for fact in onnx.load(folder / "model.onnx").metadata_props}
    assert json.loads(facts["classes"]) == list(CLASSES)
    assert (facts["layout"], facts["task"]) == ("NCHW", IMAGES)


def test_the_code_of_the_card_runs(folder, tmp_path, monkeypatch, capsys):
    code = code_of_the_card(folder)
    assert "# uint8 (N, 1, 6, 4), axes NCHW" in code
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    np.save(tmp_path / "examples.npy", arrays().x_test)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "card", "exec"), {})
    assert capsys.readouterr().out.strip() == str(predict.Model(folder).predict(arrays().x_test))


@pytest.mark.parametrize(
    ("layout", "shape", "dtype", "is_exact"),
    [
        ("NHWC", (3, 5, 4), "uint8", False),
        ("NHW", (1, 5, 4), "float32", False),
        ("NCHW", (2, 3, 3), "float64", True),
        (None, (2, 5, 4), "uint8", False),
        ("NLC", (2, 7), "float32", False),
        ("NL", (1, 7), "uint8", False),
        ("NF", (6,), "float64", True),
    ],
)
def test_a_file_reads_arrays_as_the_users_file_had_them(job, layout, shape, dtype, is_exact):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (5, *shape)).astype(dtype)
    x = x + 1e9 if is_exact else x  # float32 would lose the differences
    kinds = {1: (), 2: (Conv1d(3), Flatten()), 3: (Conv2d(4), GlobalAvgPool2d())}
    architecture = chain(iter([Input(shape), *kinds[len(shape)], Dense(3), Output()]))
    weights = random_weights(architecture, rng, np.float32)
    changes = {"layout": layout, "input_shape": shape, "dtype": dtype}
    spec = job.dataset_spec.model_copy(update=changes)
    job, inputs = dataclasses.replace(job, dataset_spec=spec), inputs_of(x)
    packed = export(job, architecture, weights, inputs, TESTED)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        model = archive.read("model.onnx")
    normalised = (x - np.mean(x, axis=(0, *range(2, x.ndim)), keepdims=True)) / np.std(
        x, axis=(0, *range(2, x.ndim)), keepdims=True
    )
    expected = predicted(architecture, weights, normalised.astype(np.float32))
    np.testing.assert_allclose(run(model, examples=in_layout(x, layout)), expected, atol=1e-4)


SCALES = [(0.0, 1.0), (-2e6, 1e6), (5.0, 1e-3), (1.7e12, 1.0)]  # (mean, std)


@pytest.mark.parametrize(
    ("layout", "shape", "scales"),
    [("NHW", (1, 5, 4), SCALES[1:2]), ("NCL", (2, 7), SCALES[2:3]), ("NF", (6,), SCALES)],
)
def test_a_file_predicts_numbers_in_the_users_units(
    job, layout, shape, scales, tmp_path, monkeypatch, capsys
):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, *shape)).astype(np.float32)
    names = tuple(f"t{k} €" for k in range(len(scales)))
    targets = TargetScale(names, *zip(*scales, strict=True))
    flat = [Flatten()] * (len(shape) > 1)
    architecture = chain(iter([Input(shape), *flat, Dense(len(names)), Output()]))
    weights = random_weights(architecture, rng, np.float32)
    packed = export(numbers_job(job, layout, shape, names), architecture, weights,
        inputs_of(x, targets=targets), TESTED)  # fmt: skip
    zipfile.ZipFile(io.BytesIO(packed)).extractall(tmp_path)
    given = in_layout(x, layout)
    expected = predict.Model(tmp_path).values(given)

    found = run((tmp_path / "model.onnx").read_bytes(), examples=given)

    assert found.dtype == np.float64
    allowed = 1e-4 * np.array(targets.std) + np.spacing(np.abs(expected))
    assert (np.abs(found - expected) <= allowed).all()
    facts = {fact.key: fact.value for fact in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert facts == {"task": "regression", "targets": json.dumps(names), "layout": layout}
    np.save(tmp_path / "examples.npy", given)
    monkeypatch.chdir(tmp_path)
    exec(compile(code_of_the_card(tmp_path), "card", "exec"), {})
    assert capsys.readouterr().out.strip() == f"{list(names)} {found.tolist()}"


def numbers_job(job, layout, shape, names):
    changes = {"layout": layout, "input_shape": shape, "dtype": "float32", "classes": 0,
               "class_names": (), "target_names": names}  # fmt: skip
    spec = job.dataset_spec.model_copy(update=changes)
    return dataclasses.replace(job, task="regression", dataset_spec=spec)


@pytest.mark.parametrize(("mean", "std"), SCALES)
def test_numbers_are_compared_in_standard_deviations(job, mean, std):
    spec = numbers_job(job, "NF", (6,), ("y",)).dataset_spec
    x = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    network = chain(iter([Input((6,)), Dense(1), Output()]))
    weights = random_weights(network, np.random.default_rng(0), np.float32)
    outputs = torch.from_numpy(forward(network, weights, x))
    normalisation = Normalisation((0.0,) * 6, (1.0,) * 6)

    def file_and_head(mean):
        head = head_of("regression", spec, TargetScale(("y",), (mean,), (std,)))
        return onnx_model(head, spec, normalisation, network, weights), head

    model, head = file_and_head(mean)
    check_onnx(model, head, x, outputs + 5e-5)  # at 1.7e12 up to one step of float64
    shifted, _ = file_and_head(mean + 0.01 * std)
    with pytest.raises(OnnxUnavailable, match=r"by up to 0\.0(1|09)"):
        check_onnx(shifted, head, x, outputs)


def predicted(architecture: Architecture, weights, x):
    outputs = torch.from_numpy(np.ascontiguousarray(forward(architecture, weights, x)))
    return outputs.softmax(dim=1).numpy()


def other_network():
    return random_weights(NETWORK, np.random.default_rng(1), np.float32)


def test_a_file_with_other_results_is_not_offered(job):
    data, weights = arrays(), random_weights(NETWORK, np.random.default_rng(0), np.float32)
    normalisation = Normalisation.of(data.x_train)
    head = head_of(IMAGES, job.dataset_spec, None)
    model = onnx_model(head, job.dataset_spec, normalisation, NETWORK, other_network())
    outputs = torch.from_numpy(forward(NETWORK, weights, data.x_train[:2].astype(np.float32)))
    with pytest.raises(OnnxUnavailable, match="differ from those of the network by up to"):
        check_onnx(model, head, data.x_train[:2], outputs)


def test_a_file_that_the_evaluator_cannot_run_is_not_offered(job):
    data, weights = arrays(), random_weights(NETWORK, np.random.default_rng(0), np.float32)
    head = head_of(IMAGES, job.dataset_spec, None)
    model = onnx_model(head, job.dataset_spec, Normalisation.of(data.x_train), NETWORK, weights)
    with pytest.raises(OnnxUnavailable, match="onnx cannot run it: "):
        check_onnx(model, head, data.x_train[:2, :, :1], torch.zeros(2, 3))


def test_a_sigmoid_of_large_values_is_checked_without_a_warning(job):
    network = chain(iter([Input((4,)), Sigmoid(), Dense(3), Output()]))
    changes = {"input_shape": (4,), "dtype": "float32", "layout": None}
    spec = job.dataset_spec.model_copy(update=changes)
    weights = random_weights(network, np.random.default_rng(0), np.float32)
    x = np.float32([[1000, -1000, 1, 0], [0, 500, -500, 2]])
    head = head_of(IMAGES, spec, None)
    model = onnx_model(head, spec, Normalisation((0.0,) * 4, (1.0,) * 4), network, weights)
    with np.errstate(over="ignore"):
        outputs = torch.from_numpy(forward(network, weights, x))
    check_onnx(model, head, x, outputs)


def test_a_network_that_breaks_a_rule_is_not_offered(job):
    spec = job.dataset_spec.model_copy(update={"classes": 4})  # the network has three outputs
    normalisation = Normalisation.of(arrays().x_train)
    with pytest.raises(OnnxUnavailable, match="checker refuses it"):
        onnx_model(head_of(IMAGES, spec, None), spec, normalisation, NETWORK, other_network())


def test_an_export_without_an_onnx_file_is_offered_and_says_why(job):
    spec = job.dataset_spec.model_copy(update={"classes": 4})
    job, inputs = dataclasses.replace(job, dataset_spec=spec), inputs_of(arrays().x_train)
    packed = export(job, NETWORK, other_network(), inputs, TESTED)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert "model.onnx" not in archive.namelist()
        card = archive.read("README.md").decode()
    assert "There is no `model.onnx`: ONNX's checker refuses it" in card


@pytest.mark.parametrize(
    ("flops", "available", "count"),
    [(1_000, 64, MOST), (100_000_000, 64, 5), (10**12, 64, FEWEST), (0, 3, 3), (10**12, 1, 1)],
)
def test_a_small_network_is_checked_on_more_examples(flops, available, count):
    assert examples_checked(flops, available) == count
