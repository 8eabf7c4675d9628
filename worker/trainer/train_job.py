"""A train order, decoded and checked once: the values that the trainer works with."""

from dataclasses import dataclass
from math import inf
from typing import Self
from uuid import UUID

from core.errors import InvalidInput
from core.graph.architecture import Architecture
from core.morphisms import AbstractMorphism, apply_all, from_json
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.fields import JsonObject
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import TrialKind
from core.search.ensembles import joined
from core.tasks import TASKS, AbstractTask


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """An architecture, and where its trained weights are stored."""

    architecture: Architecture
    weights: BlobRef
    raw_inputs: bool = False  # the weights are for examples as stored, not normalised


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """One network to train: what it is, where it starts, and on which data it is trained."""

    task: str  # a kind of `core.tasks.TASKS`
    metric: str | None  # the kind of its metric that is optimised; None: the default
    is_final: bool  # a final fit: trained on the validation examples as well, tested and exported
    is_export: bool  # the parent as it is, tested and exported: nothing is trained
    seed: int
    architecture: Architecture  # the joint one of an ensemble
    parent: StoredNetwork | None  # None: weights start at random
    morphisms: tuple[AbstractMorphism, ...]  # from the parent's architecture to this one
    members: tuple[StoredNetwork, ...]  # of an ensemble, the parent first; else none
    starts_at_random: bool  # although there is a parent, which is then only compared with
    dataset: BlobRef
    dataset_name: str
    dataset_spec: DatasetSpec
    hyperparameters: Hyperparameters
    holdout: float  # final fit: share of the validation split that it is compared on
    history: JsonObject  # of what is exported: facts for the model card
    trial_id: UUID
    checkpoint: BlobRef | None  # of an earlier attempt: the training continues from there
    checkpoint_seconds: float  # between two stored checkpoints, at least
    int8: bool  # the export also has an ONNX file of eight bits

    @classmethod
    def of(cls, order: TrainOrder) -> Self:
        """Decode the order.

        Raises:
            InvalidInput: a part of the order is unknown, or its parts contradict each other.
        """
        checkpoint, least = order.checkpoint, order.checkpoint_seconds
        job = cls(
            task=_known_task(order.task, order.metric),
            metric=order.metric,
            is_final=order.kind is TrialKind.FINAL,
            is_export=order.kind is TrialKind.EXPORT,
            seed=order.seed,
            architecture=Architecture.from_json(order.architecture),
            parent=_parent(order),
            morphisms=tuple(from_json(data) for data in order.morphisms),
            members=tuple(
                StoredNetwork(Architecture.from_json(member.architecture), member.weights)
                for member in order.members
            ),
            starts_at_random=order.fresh,
            dataset=order.dataset,
            dataset_name=order.dataset_name,
            dataset_spec=order.dataset_spec,
            hyperparameters=order.hyperparameters,
            holdout=order.holdout,
            history=order.history,
            trial_id=order.trial_id,
            checkpoint=None if checkpoint is None else checkpoint.blob,
            checkpoint_seconds=inf if least is None else least,
            int8=order.int8,
        )
        job._check_export()
        job._check_members()
        job._check_morphisms()
        return job

    @property
    def measured(self) -> AbstractTask:
        """The task type with the metric that is optimised."""
        return TASKS[self.task](self.metric)

    @property
    def makes_export(self) -> bool:
        """Whether its network is tested and exported."""
        return self.is_final or self.is_export

    @property
    def continues_parent(self) -> bool:
        """Whether it is a final fit that starts from a winner, its parent."""
        return self.is_final and self.parent is not None

    @property
    def starts_from_given(self) -> bool:
        """Whether it trains a network that a user gave, from its weights."""
        return not self.is_final and self.parent is not None and self.parent.raw_inputs

    def _check_export(self) -> None:
        """Raise InvalidInput where a network is to be exported that is not given as it is."""
        if self.is_export and (self.parent is None or self.morphisms or self.members):
            raise InvalidInput(
                "the order is for the export of a trial; expected its weights, and no changes"
            )

    def _check_members(self) -> None:
        """Raise InvalidInput where the members are not those that the architecture joins."""
        if not self.members:
            return
        joint = joined([member.architecture for member in self.members])
        if joint != self.architecture:
            raise InvalidInput(
                f"the {len(self.members)} networks make architecture {joint.fingerprint[:12]}; "
                f"the order is for another one, {self.architecture.fingerprint[:12]}"
            )

    def _check_morphisms(self) -> None:
        """Raise InvalidInput where the morphisms do not lead from the parent to the architecture.

        The parent of an ensemble is its first member, which is trained on as it is.
        """
        if self.parent is None:
            return
        expected = self.parent.architecture if self.members else self.architecture
        morphed = apply_all(self.parent.architecture, self.morphisms)
        if morphed.fingerprint != expected.fingerprint:
            raise InvalidInput(
                f"the morphisms lead to architecture {morphed.fingerprint[:12]}; "
                f"the order is for {expected.fingerprint[:12]}"
            )


def _known_task(task: str, metric: str | None) -> str:
    """The task itself; raises InvalidInput where it, or its metric, is unknown."""
    TASKS[task](metric)
    return task


def _parent(order: TrainOrder) -> StoredNetwork | None:
    if order.parent_weights is None:
        return None
    architecture = Architecture.from_json(order.parent_architecture or order.architecture)
    return StoredNetwork(architecture, order.parent_weights, order.raw_inputs)
