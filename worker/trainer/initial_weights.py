"""The networks of a job with their initial weights, inherited or random."""

import numpy as np

from core.errors import BlobError
from core.graph.architecture import Architecture
from core.graph.initialisation import initialise
from core.graph.preparation import on_normalised, with_standardised_outputs
from core.graph.weights import Weights, check, load
from core.morphisms import transfer_all
from core.protocol.contracts.blobs import BlobRef
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
    rng = np.random.default_rng(job.seed)
    if inherited is None or job.starts_at_random:
        weights = initialise(job.architecture, rng)
    elif job.is_export:  # nothing is trained
        weights = inherited
    else:
        share = job.hyperparameters.inherited_share
        weights = shrunk_and_perturbed(job.architecture, inherited, share, rng)
    return network_with(job.architecture, weights, compute)


def shrunk_and_perturbed(
    architecture: Architecture, weights: Weights, share: float, rng: np.random.Generator
) -> Weights:
    """`share` of the weights, and 1 - `share` of random ones: matrices and kernels only.

    Networks that are trained on with more examples than before generalise worse than those from
    random weights; started like this they do not (Ash & Adams 2020, arXiv:1910.08475).
    """
    if share >= 1:
        return weights
    random = initialise(architecture, rng)
    return {
        node_id: {
            name: (share * array + (1 - share) * random[node_id][name]).astype(array.dtype)
            if array.ndim > 1
            else array
            for name, array in parameters.items()
        }
        for node_id, parameters in weights.items()
    }


def _member_networks(job: TrainJob, storage: Storage, compute: Compute) -> list[Network]:
    """The networks of an ensemble with the weights that its final fit starts with."""
    networks, share = [], job.hyperparameters.inherited_share
    for index, member in enumerate(job.members):
        rng, architecture = np.random.default_rng([job.seed, index]), member.architecture
        if job.starts_at_random:
            weights = initialise(architecture, rng)
        else:
            stored = _stored_weights(member, storage)
            weights = shrunk_and_perturbed(architecture, stored, share, rng)
        networks.append(network_with(architecture, weights, compute))
    return networks


def _stored_weights(network: StoredNetwork, storage: Storage) -> Weights:
    """The weights of a trained network; raises DamagedWeights where they cannot be used."""
    try:
        weights = load(storage.get(network.weights))
        check(network.architecture, weights)
    except BlobError as error:
        raise DamagedWeights(network.weights, str(error)) from error
    return weights
