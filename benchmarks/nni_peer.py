"""NNI's network morphism tuner behind JSON lines; runs only in the environment of `peers.py`.

Each line of standard input is a question, `{"ask": NAME, ...}`; the answer is a line of standard
output: the measurements, or `{"error": ...}`. NNI cannot take Netmorph's graphs, so it grows
histories of its own in the same way: a random tree of its morphs, 12 to 40 layers deep, with the
values of the same formula. Distances are between the same architectures that Netmorph measures.
"""

import contextlib
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time

import numpy as np
import torch

np.float = float  # which NNI still uses, and numpy no longer has

from nni.algorithms.hpo.networkmorphism_tuner import (  # noqa: E402
    NetworkMorphismTuner,
    bayesian,
    layers,
)
from nni.algorithms.hpo.networkmorphism_tuner.graph import (  # noqa: E402
    NetworkDescriptor,
    TorchModel,
    graph_to_json,
)
from nni.algorithms.hpo.networkmorphism_tuner.graph_transformer import (  # noqa: E402
    to_deeper_graph,
    to_skip_connection_graph,
    to_wider_graph,
)
from nni.algorithms.hpo.networkmorphism_tuner.nn import CnnGenerator  # noqa: E402

SHALLOWEST, DEEPEST = 12, 40
NOISE = 0.005
LONGEST = 6
UNKNOWN = {}  # classes of layers that NNI does not have, by kind
MORPHS = (to_deeper_graph, to_wider_graph, to_skip_connection_graph)


# --- a suggestion -----------------------------------------------------------------------------


class TimeUp(Exception):
    """The time for one suggestion is spent."""


def suggestion(n, seed, seconds):
    """Time one suggestion after `n` observations, which is ended after some seconds."""
    _seed(seed)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        tuner = NetworkMorphismTuner(
            input_width=8, input_channel=1, n_output_node=10, path="models", verbose=False
        )
        started = time.perf_counter()
        _add_history(tuner, n)
        history_seconds = time.perf_counter() - started
        started, scored, is_complete = time.perf_counter(), 0, True
        original_acquisition = tuner.bo.acq

        def acquisition(graph):
            nonlocal scored
            if time.perf_counter() - started > seconds:
                raise TimeUp
            scored += 1
            return original_acquisition(graph)

        tuner.bo.acq = acquisition
        try:
            tuner.generate()
        except TimeUp:
            is_complete = False
        spent = time.perf_counter() - started
    return {
        "seconds": spent,
        "candidates_scored": scored,
        "is_whole": is_complete,
        "told_seconds": history_seconds,
    }


def _add_history(tuner, n):
    """Make a history of `n` observations and add them to the tuner, one after the other."""
    tuner.init_search()
    graph, father, number = tuner.training_queue.pop(0)
    grown = [(graph, father)]
    seen = list(tuner.descriptors)
    while len(grown) < n:
        limit = random.randint(SHALLOWEST, DEEPEST)
        eligible = [i for i, (graph, _) in enumerate(grown) if graph.n_layers <= limit]
        if not eligible:
            continue
        parent = random.choice(eligible)
        child = grown[parent][0]
        for _ in range(random.randint(1, LONGEST)):
            child = random.choice(MORPHS)(_copy(child))
        descriptor = child.extract_descriptor()
        if child.n_layers <= limit and not bayesian.contain(seen, descriptor):
            seen.append(descriptor)
            grown.append((child, parent))
    tuner.descriptors = seen
    tuner.model_count = n
    for number, (graph, father) in enumerate(grown):
        graph.clear_operation_history()
        graph_to_json(graph, os.path.join(tuner.path, f"{number}.json"))
        metric = _value(graph) + random.gauss(0, NOISE)
        tuner.add_model(metric, number)
        tuner.update(father, graph, metric, number)


def _value(graph):
    """The formula of `histories.value`."""
    skips = len(graph.extract_descriptor().skip_connections)
    size = (math.log(graph.size()) - math.log(100_000)) / 3
    depth = (graph.n_layers - 26) / 20
    return 0.8 + 0.15 * math.exp(-(size**2) - depth**2) + 0.03 * skips / (1 + skips)


# --- distances --------------------------------------------------------------------------------


def distance(architectures, pairs):
    """Microseconds a pair of the layer part and of the skip part."""
    described = [_descriptor(**one) for one in architectures]
    chosen = [(described[a], described[b]) for a, b in pairs]
    layer_times, skip_times = [], []
    for a, b in chosen:
        started = time.perf_counter()
        bayesian.layers_distance(a.layers, b.layers)
        between = time.perf_counter()
        bayesian.skip_connections_distance(a.skip_connections, b.skip_connections)
        layer_times.append(between - started)
        skip_times.append(time.perf_counter() - between)
    return {
        "us_per_pair": 1e6 * statistics.median(layer_times),
        "us_skips_per_pair": 1e6 * statistics.median(skip_times),
    }


def _descriptor(tokens, skips):
    descriptor = NetworkDescriptor()
    for kind, *numbers in tokens:
        descriptor.add_layer(_layer(kind, numbers))
    for kind, start, depth in skips:
        is_concat = kind == descriptor.CONCAT_CONNECT  # any other merge is an addition to NNI
        merge = descriptor.CONCAT_CONNECT if is_concat else descriptor.ADD_CONNECT
        descriptor.add_skip_connection(start, start + depth, merge)
    return descriptor


def _layer(kind, numbers):
    """NNI's layer for one of Netmorph's kinds; of an unknown kind one without attributes."""
    makers = {
        "conv1d": lambda filters, kernel, stride: layers.StubConv1d(1, filters, kernel, stride),
        "conv2d": lambda filters, kernel, stride: layers.StubConv2d(1, filters, kernel, stride),
        "dense": lambda units: layers.StubDense(1, units),
        "batch_norm": lambda: layers.StubBatchNormalization2d(1),
        "relu": layers.StubReLU,
        "max_pool2d": layers.StubPooling2d,
        "avg_pool2d": layers.StubPooling2d,
        "global_avg_pool2d": layers.StubGlobalPooling2d,
        "flatten": layers.StubFlatten,
        "dropout": layers.StubDropout2d,
    }
    if kind not in makers:
        return UNKNOWN.setdefault(kind, type(kind, (layers.StubLayer,), {}))()
    return makers[kind](*numbers)


# --- predictions ------------------------------------------------------------------------------


def surrogate(architectures, values, asked):
    """The Gaussian process' predictions for `asked`, after it is given the values one by one."""
    observed = [_descriptor(**one) for one in architectures]
    unseen = [_descriptor(**one) for one in asked]
    process = bayesian.IncrementalGaussianProcess()
    started = time.perf_counter()
    try:
        for network, value in zip(observed, values, strict=True):
            process.fit([network], [value])
        mean, std = process.predict(np.array(unseen))
    except Exception as error:  # reported as a failure of the peer
        return {"failure": repr(error)}
    return {
        "mean": _finite(mean),
        "std": _finite(std),
        "seconds": time.perf_counter() - started,
        "ignored": len(observed) - len(process._x),
    }


def _finite(numbers):
    return [float(one) if math.isfinite(one) else None for one in numbers]


# --- morphisms --------------------------------------------------------------------------------


def morphism(chains, length, seed):
    """Count the chains of morphisms that fail; measure how the others change the function."""
    _seed(seed)
    changes, crashes = [], 0
    for _ in range(chains):
        graph = CnnGenerator(10, (8, 8, 1)).generate(3, 16)
        model = TorchModel(graph).eval()
        _perturb(model)
        model.set_weight_to_graph()
        inputs = torch.randn(4, 1, 8, 8)
        try:
            before = model(inputs)
            for _ in range(length):
                graph = random.choice(MORPHS)(_copy(graph))
            after = TorchModel(graph).eval()(inputs)
            changes.append(float((after - before).abs().max() / before.abs().max()))
        except Exception as error:  # any error: the chain is counted as a crash
            print(f"a chain failed: {error!r}", file=sys.stderr)
            crashes += 1
    return {
        "chains": chains,
        "crashes": crashes,
        "max_relative_change": max(changes, default=None),
        "median_relative_change": statistics.median(changes) if changes else None,
    }


def _perturb(model):
    """Move the weights away from their start, as by some training."""
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor *= torch.empty_like(tensor).uniform_(0.5, 2)
        elif tensor.is_floating_point():
            fan_in = max(math.prod(tensor.shape[1:]), 4)
            tensor += 0.5 / math.sqrt(fan_in) * torch.randn_like(tensor)


# --- the loop ---------------------------------------------------------------------------------


def _copy(graph):
    return bayesian.deepcopy(graph)


def _seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def main():
    """Answer questions until the input ends."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for line in sys.stdin:
        question = json.loads(line)
        answer_by_name = {
            "suggestion": suggestion,
            "distance": distance,
            "surrogate": surrogate,
            "morphism": morphism,
        }
        try:
            with contextlib.redirect_stdout(sys.stderr):
                answer = answer_by_name[question.pop("ask")](**question)
        except Exception as error:  # the next question may succeed
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
