"""A job trains its network; a final fit keeps the winner where its own network is worse."""

import dataclasses

import numpy as np
import pytest
import torch

from core.errors import InfeasibleTrial
from core.graph.building import chain
from core.graph.initialisation import initialise
from core.graph.weights import flatten, save
from core.layers import Dense, Flatten, Input, Output
from core.protocol.contracts.train_orders import Member
from core.protocol.states import TrialKind
from core.search.ensembles import joined, joined_weights
from tests.clock import Clock
from tests.worker.orders import NETWORK, order_for
from tests.worker.trainer.running import NO_CHANGE, Recorder
from worker.trainer.networks.network import Network
from worker.trainer.run_order import JobRun
from worker.trainer.train_job import TrainJob

OTHER = chain(iter([Input((1, 6, 4)), Flatten(), Dense(3), Output()]))
DIVERGES = {"optimiser": "sgd", "learning_rate": 1e30}


def weights_of(architecture, seed=0):
    return initialise(architecture, np.random.default_rng(seed))


def final_order(storage, architectures=(NETWORK,), **changes):
    """A final fit of these networks, each with random weights; the first is the winner."""
    members = tuple(
        Member(
            architecture=architecture.to_json(),
            weights=storage.put("weights", save(weights_of(architecture, seed)), "safetensors"),
        )
        for seed, architecture in enumerate(architectures)
    )
    fields = {
        "architecture": joined(architectures),
        "kind": TrialKind.FINAL,
        "parent_architecture": architectures[0].to_json(),
        "parent_weights": members[0].weights,
        "members": members if len(members) > 1 else (),
    }
    return order_for(storage, **fields | changes)


def trained(order, environment, recorder=None):
    """What the order's job keeps after its training."""
    job = TrainJob.of(order)
    compute = environment.compute(job)
    data = environment.reader.read(job, environment.storage, environment.cache, compute)
    callbacks = (recorder or Recorder()).callbacks
    run = JobRun(job=job, environment=environment, callbacks=callbacks, compute=compute, data=data)
    return run.train()


def assert_close(network, expected):
    found, expected = flatten(network.weights()), flatten(expected)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-7)


# --- trials -----------------------------------------------------------------------------------


def test_a_trial_is_trained_from_its_initial_weights_and_compared_with_nothing(
    environment, storage
):
    kept = trained(order_for(storage, seed=4, hyperparameters=NO_CHANGE), environment)
    assert_close(kept.network, weights_of(NETWORK, 4))
    assert kept.comparison is None
    assert (kept.outcome.epochs, kept.outcome.best.examples) == (1, 18)  # of 90, a fifth


def test_steps_and_epochs_are_reported_and_time_is_that_of_the_environment(environment, storage):
    clock = Clock(1000.0)
    timed = dataclasses.replace(environment, clock=clock)
    recorder = Recorder(at_step=clock.each(2.0))
    kept = trained(order_for(storage), timed, recorder)
    assert recorder.steps == list(range(1, kept.outcome.steps + 1))
    assert tuple(recorder.epochs) == kept.outcome.history
    assert kept.outcome.seconds == pytest.approx(2 * kept.outcome.steps)


def test_a_trial_can_be_stopped(environment, storage):
    kept = trained(order_for(storage), environment, Recorder(stop_after=2))
    assert (kept.outcome.stopped, kept.outcome.steps) == (True, 2)


def test_the_best_weights_are_kept_but_the_last_ones_where_weights_are_averaged(
    environment, storage
):
    """Epochs that change nothing are equally good: the first of them is the best."""
    same = NO_CHANGE | {"epochs": 3}
    best = trained(order_for(storage, hyperparameters=same), environment)
    last = trained(order_for(storage, hyperparameters=same | {"averaging": 0.2}), environment)
    assert (best.outcome.best_epoch, best.outcome.epochs) == (1, 3)
    assert (last.outcome.best_epoch, last.outcome.epochs) == (3, 3)


def test_a_trial_that_is_no_better_than_chance_is_infeasible(environment, storage):
    """That is log 3, as there are three classes of equal size."""
    hyperparameters = {"epochs": 200, "learning_rate": 0.0}
    recorder = Recorder()
    with pytest.raises(InfeasibleTrial, match=r"does not learn.*constant prediction has 1\.099"):
        trained(order_for(storage, hyperparameters=hyperparameters), environment, recorder)
    assert 50 <= len(recorder.steps) < 200


def test_a_trial_that_diverges_is_infeasible(environment, storage):
    with pytest.raises(InfeasibleTrial, match="diverged"):
        trained(order_for(storage, hyperparameters=DIVERGES), environment)


def test_a_job_is_trained_with_the_threads_of_its_computation(environment, storage):
    torch.set_num_threads(2)
    threads = set()
    recorder = Recorder(at_step=lambda: threads.add(torch.get_num_threads()))
    trained(order_for(storage, hyperparameters=NO_CHANGE), environment, recorder)
    assert threads == {1}  # small steps


@pytest.mark.parametrize(("adapts", "expected"), [(True, {2, 1}), (False, {2})])
def test_a_job_whose_steps_become_slow_goes_on_with_one_thread_unless_that_is_fixed(
    environment, storage, adapts, expected
):
    clock, threads = Clock(1000.0), set()

    def at_step():
        clock.now += 0.125 if clock.now < 1002.0 else 2.0
        threads.add(torch.get_num_threads())

    timed = dataclasses.replace(environment, clock=clock, adapts_threads=adapts)
    hyperparameters = NO_CHANGE | {"epochs": 30, "batch_size": 10**9}
    order = order_for(storage, hyperparameters=hyperparameters)
    trained(order, timed, Recorder(at_step=at_step))
    assert threads == expected


# --- final fits -------------------------------------------------------------------------------


def test_a_final_network_is_compared_with_the_winner_and_kept(environment, storage):
    kept = trained(final_order(storage, hyperparameters=NO_CHANGE), environment)
    assert (kept.comparison.exported, kept.comparison.reason) == ("final", "")
    assert kept.comparison.before == kept.comparison.after == kept.outcome.best.metric
    assert kept.comparison.examples == kept.outcome.best.examples
    assert_close(kept.network, weights_of(NETWORK))


def test_a_final_fit_keeps_its_last_weights(environment, storage):
    kept = trained(final_order(storage, hyperparameters={"epochs": 4}), environment)
    assert (kept.outcome.best_epoch, kept.outcome.epochs) == (4, 4)


@pytest.mark.parametrize("architectures", [(NETWORK,), (NETWORK, OTHER)])
def test_where_the_final_training_fails_the_winner_is_kept(environment, storage, architectures):
    order = final_order(storage, architectures, hyperparameters=DIVERGES)
    kept = trained(order, environment)
    assert kept.comparison.exported == "winner"
    assert "the training has diverged" in kept.comparison.reason
    assert kept.comparison.after is None
    assert kept.outcome.epochs == 0
    assert_close(kept.network, weights_of(NETWORK))


def test_where_memory_suffices_for_the_winner_alone_it_is_kept(environment, storage):
    recorder = Recorder(at_step=lambda: torch.empty(2**58))
    kept = trained(final_order(storage, (NETWORK, OTHER)), environment, recorder)
    assert kept.comparison.exported == "winner"
    assert "the final training failed: out of memory" in kept.comparison.reason
    assert_close(kept.network, weights_of(NETWORK))


def test_an_unforeseen_error_in_a_final_fit_is_raised(environment, storage):
    def unforeseen():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trained(final_order(storage), environment, Recorder(at_step=unforeseen))


def test_an_ensemble_is_kept_as_one_network(environment, storage):
    kept = trained(final_order(storage, (NETWORK, OTHER), hyperparameters=NO_CHANGE), environment)
    own = [weights_of(NETWORK, 0), weights_of(OTHER, 1)]
    assert isinstance(kept.network, Network)
    assert kept.network.architecture == joined([NETWORK, OTHER])
    assert_close(kept.network, joined_weights([NETWORK, OTHER], own))
    assert kept.comparison.after == kept.outcome.best.metric


def test_a_final_fit_without_a_winner_is_compared_with_nothing(environment, storage):
    order = order_for(storage, kind=TrialKind.FINAL, hyperparameters=NO_CHANGE)
    kept = trained(order, environment)
    assert (kept.comparison, kept.outcome.best) == (None, None)


def test_a_final_fit_from_random_weights_is_compared_with_the_winner(environment, storage):
    order = final_order(storage, hyperparameters=NO_CHANGE, seed=6, fresh=True)
    kept = trained(order, environment)
    assert kept.comparison.exported in {"final", "winner"}
    expected = weights_of(NETWORK, 6 if kept.comparison.exported == "final" else 0)
    assert_close(kept.network, expected)
