"""Muon's steps agree with a singular value decomposition; each parameter has one optimiser."""

import numpy as np
import pytest
import torch
from torch import nn

from core.protocol.contracts.hyperparameters import Hyperparameters
from worker.trainer.training.optimisers import (
    UPDATE_NORM,
    Muon,
    optimisers_of,
    orthogonalised,
    update_scale,
)


def gaussian(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def nearest_orthogonal(matrix):
    """U Vᵀ of the matrix U S Vᵀ."""
    u, _, vt = np.linalg.svd(matrix.double().numpy(), full_matrices=False)
    return u @ vt


def cosine(a, b):
    a, b = np.ravel(a), np.ravel(b)
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (12, 12), (1, 9), (16, 1)])
def test_singular_values_become_nearly_one_and_singular_vectors_stay(shape):
    matrix = gaussian(*shape)
    found = orthogonalised(matrix, 5)
    assert found.shape == matrix.shape
    values = np.linalg.svd(found.double().numpy(), compute_uv=False)
    assert values.min() > 0.3
    assert values.max() < 1.25
    assert cosine(found, nearest_orthogonal(matrix)) > 0.97


def test_the_scale_of_a_matrix_does_not_matter():
    matrix = gaussian(6, 20)
    torch.testing.assert_close(orthogonalised(1e4 * matrix), orthogonalised(matrix))
    assert orthogonalised(torch.zeros(3, 5)).abs().max() == 0


def test_a_step_of_muon_is_orthogonal_momentum_scaled_and_decayed():
    """The first three steps on a kernel, computed again with numpy's decomposition."""
    kernel = nn.Parameter(gaussian(6, 4, 3, 3))
    muon = Muon([kernel], lr=0.1, momentum=0.9, weight_decay=0.5)
    mean = np.zeros((6, 36))
    for seed in (1, 2, 3):
        before = kernel.detach().double().numpy().reshape(6, 36).copy()
        kernel.grad = gaussian(6, 4, 3, 3, seed=seed)
        gradient = kernel.grad.double().numpy().reshape(6, 36)
        muon.step()
        mean = 0.9 * mean + 0.1 * gradient
        expected = nearest_orthogonal(torch.from_numpy(0.1 * gradient + 0.9 * mean))
        moved = kernel.detach().double().numpy().reshape(6, 36) - (1 - 0.1 * 0.5) * before
        assert cosine(-moved, expected) > 0.97
        assert np.linalg.norm(moved) == pytest.approx(
            0.1 * UPDATE_NORM * np.linalg.norm(expected), rel=0.2
        )


def test_a_layer_with_more_outputs_than_inputs_moves_further():
    assert update_scale(10, 40) == update_scale(40, 40) == UPDATE_NORM
    assert update_scale(160, 40) == 2 * UPDATE_NORM


def test_a_parameter_without_gradient_stays():
    kernel = nn.Parameter(gaussian(3, 5))
    before = kernel.detach().clone()
    Muon([kernel], lr=0.1, momentum=0.9, weight_decay=0.5).step()
    torch.testing.assert_close(kernel.detach(), before, rtol=0, atol=0)


def test_muon_refuses_a_closure():
    with pytest.raises(TypeError, match="closure"):
        Muon([nn.Parameter(gaussian(3, 5))], 0.1, 0.9, 0.0).step(lambda: 0.0)


@pytest.mark.parametrize("kind", ["sgd", "adamw", "muon"])
def test_every_parameter_is_moved_by_exactly_one_optimiser(kind):
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(27, 4))
    moved = [
        parameter
        for optimiser in optimisers_of(network, Hyperparameters(epochs=1, optimiser=kind))
        for group in optimiser.param_groups
        for parameter in group["params"]
    ]
    assert sorted(map(id, moved)) == sorted(map(id, network.parameters()))


def test_with_muon_vectors_are_moved_by_adamw_without_decay():
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    h = Hyperparameters(epochs=1, optimiser="muon", weight_decay=0.3)
    muon, adamw = optimisers_of(network, h)
    assert {p.ndim for g in muon.param_groups for p in g["params"]} == {4}
    assert {p.ndim for g in adamw.param_groups for p in g["params"]} == {1}
    assert [g["weight_decay"] for g in (*muon.param_groups, *adamw.param_groups)] == [0.3, 0.0]
    assert len(optimisers_of(nn.Linear(3, 2, bias=False), h)) == 1
