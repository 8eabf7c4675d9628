"""The environment chooses how a job is computed."""

import dataclasses

import pytest
import torch

from core.graph.cost import BACKWARD
from tests.worker.orders import NETWORK, order_for
from tests.worker.trainer.trainings import PLAIN_MLP
from worker.trainer.networks.compute import SMALL_STEP, Compute, kind_of
from worker.trainer.train_job import TrainJob

LARGE = 10**9  # batch size whose steps use every thread


def job_with(storage, architecture=NETWORK, **hyperparameters):
    order = order_for(
        storage, architecture=architecture, hyperparameters={"batch_size": LARGE} | hyperparameters
    )
    return TrainJob.of(order)


@pytest.mark.parametrize("channels_last", [False, True])
def test_where_nothing_was_measured_a_job_is_computed_in_float32(
    environment, storage, channels_last
):
    found = environment.compute(job_with(storage, channels_last=channels_last))
    assert found == Compute(
        environment.device, torch.float32, channels_last=channels_last, threads=2
    )


def test_a_job_is_computed_as_was_fastest_for_its_kind_of_network(environment, storage):
    images = Compute(environment.device, torch.bfloat16, channels_last=True, threads=2)
    vectors = Compute(environment.device, torch.float32, threads=2)
    measured = dataclasses.replace(
        environment, computes={kind_of(NETWORK): images, kind_of(PLAIN_MLP): vectors}
    )
    assert measured.compute(job_with(storage, channels_last=False)) == images
    assert measured.compute(job_with(storage, PLAIN_MLP)) == vectors


def test_a_kind_that_was_not_measured_is_computed_in_float32(environment, storage):
    vectors = Compute(environment.device, torch.bfloat16)
    measured = dataclasses.replace(environment, computes={kind_of(PLAIN_MLP): vectors})
    assert measured.compute(job_with(storage)).dtype is torch.float32


def test_steps_get_one_thread_up_to_the_size_from_which_a_second_one_pays(environment, storage):
    least = int(-(-SMALL_STEP // (BACKWARD * NETWORK.flops)))  # batch size of such steps
    small, large = (job_with(storage, batch_size=size) for size in (least - 1, least))
    assert environment.compute(small).threads == 1
    assert environment.compute(large).threads == 2
