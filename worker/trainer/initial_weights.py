"""The networks of a job with their initial weights, inherited or random."""

import numpy as np

from core.errors import BlobError
from core.graph.initialisation import initialise
from core.graph.preparation import on_normalised, with_standardised_outputs
from core.graph.weights import Weights, check, load
from core.morphisms import transfer_all
from core.protocol.contracts import BlobRef
from core.protocol.storage import Storage
from worker.trainer.data.examples import Examples
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.loading import network_with
from worker.trainer.networks.network import Network
from worker.trainer.train_job import StoredNetwork, TrainJob


class DamagedWeights(BlobError):
    """The weights of another trial are missing or damaged: report them, and start from others."""

    def __init__(self, blob: BlobRef, message: str) -> None:
        super().__init__(message)
        self.blob = blob


PROBE = 256  # training examples from which morphisms that lose information refit weights


def inherited_weights(
    job: TrainJob, storage: Storage, examples: Examples, targets: TargetScale | None = None
) -> Weights | None:
    """The parent's weights after the job's morphisms; None where it has no parent.

    For an ensemble they are those of its first network, the winner. The weights of a user's network
    become those for normalised examples and, where it predicts numbers, for standardised ones.
    """
    if job.parent is None:
        return None
    weights = _stored_weights(job.parent, storage)
    if job.parent.raw_inputs:
        of = examples.normalisation
        weights = on_normalised(job.parent.architecture, weights, of.mean, of.std)
        if targets is not None:
            weights = with_standardised_outputs(
                job.parent.architecture, weights, targets.mean, targets.std
            )
    is_exact = all(morphism.preserves_function for morphism in job.morphisms)
    probe = None if is_exact else examples.some(PROBE)
    rng = np.random.default_rng(job.seed)
    noise = job.hyperparameters.morph_noise
    return transfer_all(job.parent.architecture, weights, job.morphisms, rng, probe, noise)


def initial_network(
    job: TrainJob, storage: Storage, inherited: Weights | None, compute: Compute
) -> Network | Ensemble:
    """The network to train, or the ensemble, with its initial weights."""
    if job.members:
        return Ensemble(_member_networks(job, storage, compute))
    if inherited is None or job.starts_at_random:
        inherited = initialise(job.architecture, np.random.default_rng(job.seed))
    return network_with(job.architecture, inherited, compute)


def _member_networks(job: TrainJob, storage: Storage, compute: Compute) -> list[Network]:
    """The networks of an ensemble with the weights that its final fit starts with."""
    networks = []
    for index, member in enumerate(job.members):
        if job.starts_at_random:
            rng = np.random.default_rng([job.seed, index])
            weights = initialise(member.architecture, rng)
        else:
            weights = _stored_weights(member, storage)
        networks.append(network_with(member.architecture, weights, compute))
    return networks


def _stored_weights(network: StoredNetwork, storage: Storage) -> Weights:
    """The weights of a trained network; raises DamagedWeights where they cannot be used."""
    try:
        weights = load(storage.get(network.weights))
        check(network.architecture, weights)
    except BlobError as error:
        raise DamagedWeights(network.weights, str(error)) from error
    return weights
