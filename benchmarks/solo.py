"""A complete search in one process: `core` decides, `worker` trains, no service is needed.

The clock is virtual. It advances by what `clock` measures of suggesting and of each training (by
default the CPU seconds of this process), so that other load on the machine changes nothing. With
several workers the trainings are carried out one after the other, but each as if on its own
machine: the search sees the outcome of a trial only when the clock has reached the trial's end.
"""

import heapq
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np
import torch

from benchmarks.solo_trial import SearchOutcome, Trial, past_trial, training_seconds
from core.data import datasets
from core.data.datasets import Arrays
from core.errors import SpaceExhausted
from core.graph.architecture import Architecture
from core.morphisms import to_json
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.train_orders import Member, TrainOrder
from core.protocol.states import LIVE_TRIAL, SearchStatus, TrialKind, TrialStatus
from core.protocol.storage import Storage
from core.search import budget, defaults, ensembles, halving, pace, race, splits, trial_training
from core.search.budget import SearchProgress
from core.search.repeats import comparable
from core.search.step import Snapshot, step
from worker.messages import Ended
from worker.trainer.environment import TrainingCallbacks, TrainingEnvironment
from worker.trainer.networks.compute import fastest
from worker.trainer.run_order import run_order

Clock = Callable[[], float]
_NO_ID = UUID(int=0)  # there are no leases


@dataclass(slots=True, kw_only=True)
class Solo:
    """The state of one search; `run` carries the search out."""

    config: SearchConfig
    spec: DatasetSpec
    name: str  # of the data set
    arrays: Arrays
    folder: Path  # for blobs; may be removed afterwards
    clock: Clock = time.process_time
    threads: int = 1
    adjust: Callable[[TrainOrder], TrainOrder] = lambda order: order  # what an ablation changes
    now: float = 0.0
    status: SearchStatus = SearchStatus.RUNNING
    reason: str = ""
    trials: list[Trial] = field(default_factory=list)
    bounds: Bounds = field(init=False)
    storage: Storage = field(init=False)
    _dataset: BlobRef = field(init=False)
    _environment: TrainingEnvironment = field(init=False)
    _unrevealed: list[tuple[float, int, Trial, Ended]] = field(default_factory=list)  # a heap

    def __post_init__(self) -> None:
        self.storage = Storage(self.folder.as_uri())
        self._dataset = self.storage.put("datasets", datasets.encode(self.arrays), "safetensors")
        self.bounds = defaults.bounds(self.config, self.spec)
        cpu = torch.device("cpu")
        self._environment = TrainingEnvironment(
            storage=self.storage,
            cache=self.folder,
            device=cpu,
            threads=self.threads,
            computes=fastest(cpu, self.threads),
            clock=self.clock,
        )

    def run(self) -> SearchOutcome:
        """Carry the search out to its end."""
        torch.set_num_threads(self.threads)
        while self.status in {SearchStatus.RUNNING, SearchStatus.FINISHING}:
            self._carry_out(budget.decide(self._progress()))
        return self.outcome()

    def fit_alone(self, architecture: Architecture) -> SearchOutcome:
        """Carry out only a final fit of a given architecture, for the full budget."""
        self.train(Trial(number=0, architecture=architecture, kind=TrialKind.FINAL))
        return self.outcome()

    def train(self, trial: Trial) -> Trial:
        """Train one trial to its end, with its own hyper-parameters where it has some.

        This is for searches by other rules than Netmorph's, which create their trials themselves.
        """
        torch.set_num_threads(self.threads)
        self._train(trial)
        self._reveal_next()
        return trial

    def outcome(self) -> SearchOutcome:
        """The state of the search until now."""
        return SearchOutcome(
            status=self.status, reason=self.reason, seconds=self.now, trials=self.trials
        )  # fmt: skip

    def _carry_out(self, decision: budget.Decision) -> None:
        match decision:
            case budget.Suggest(count):
                self._suggest(count)
            case budget.Wait():
                self._reveal_next()
            case budget.Finish():
                self.status = SearchStatus.FINISHING
            case budget.FitBest():
                self._fit_best()
            case budget.Complete():
                self.status = SearchStatus.COMPLETED
            case budget.Fail(reason):
                self.status, self.reason = SearchStatus.FAILED, reason
            case budget.StopWaiting():
                raise AssertionError("trials start at once, so that none waits")

    # --- suggesting ---------------------------------------------------------------------------

    def _suggest(self, count: int) -> None:
        """Create this many trials and train each."""
        began = self.clock()
        try:
            suggestions = step(self._snapshot(count))
        except SpaceExhausted as error:
            self._exhaust(str(error))
            return
        self.now += self.clock() - began
        known = {trial.trial_id: trial for trial in self.trials}
        for suggestion in suggestions:
            parent = None if suggestion.parent_id is None else known[suggestion.parent_id]
            self._train(
                Trial(
                    number=len(self.trials),
                    architecture=suggestion.architecture,
                    parent=parent,
                    morphisms=suggestion.morphisms,
                    choices=suggestion.choices,
                )
            )

    def _exhaust(self, reason: str) -> None:
        """Finish, unless a trial in flight may become a parent of new candidates."""
        if self._unrevealed:
            self._reveal_next()
        else:
            self.status, self.reason = SearchStatus.FINISHING, reason

    def _snapshot(self, count: int) -> Snapshot:
        trials, slowness = tuple(past_trial(trial) for trial in self.trials), self._slowness()
        return Snapshot(
            seed=self.config.seed,
            next_number=len(self.trials),
            count=count,
            strategy=self.config.strategy,
            strategy_options=self.config.strategy_options,
            cost=self.config.cost,
            roots=defaults.race_roots(self.config, self.spec, self.bounds, trials=trials),
            bounds=self.bounds,
            trials=trials,
            goal=pace.goal(self.config, self.spec),
            example_seconds=pace.example_seconds(self.config, self.spec),
            promoted=defaults.promoted(self.config, self.spec, slowness),
            split_seeds=splits.split_seeds(self.config, self.spec),
            alternatives=defaults.alternatives_tried(self.config, self.spec, slowness),
            patience=pace.patience(self.config),
            remaining=pace.remaining_trials(
                self.config, self.spec, created=len(self.trials), elapsed=self.now
            ),
        )

    # --- training -----------------------------------------------------------------------------

    def _train(self, trial: Trial) -> None:
        """Train now; the result is revealed when the search's clock reaches the end."""
        trial.started = self.now
        trial.status = TrialStatus.RUNNING
        trial.hyperparameters = trial.hyperparameters or self._hyperparameters(trial)
        self.trials.append(trial)
        began = self.clock()
        ended = run_order(self.adjust(self._order(trial)), self._environment, _SILENT)
        trial.ended = trial.started + self.clock() - began
        heapq.heappush(self._unrevealed, (trial.ended, trial.number, trial, ended))

    def _reveal_next(self) -> None:
        """Advance the clock to the next end of a trial and reveal its result."""
        self.now, _, trial, ended = heapq.heappop(self._unrevealed)
        trial.result, trial.status = ended, ended.status

    def _hyperparameters(self, trial: Trial) -> Hyperparameters:
        if trial.kind is TrialKind.FINAL:
            return self._final_hyperparameters(trial)
        inherited = trial.parent is not None
        hyperparameters = trial_training.trial_hyperparameters(
            self.config,
            self.spec,
            elapsed=self.now,
            inherited=inherited,
            morphed=bool(trial.morphisms),
            in_race=defaults.is_in_race(
                self.config, self.spec, number=trial.number, inherited=inherited
            ),
            choices=trial.choices,
            slowness=self._slowness(),
        )
        return hyperparameters.model_copy(update={"least_at_rung": self._least_at_rung(trial)})

    def _final_hyperparameters(self, trial: Trial) -> Hyperparameters:
        ancestors = [one for one in trial.ancestry if one is not trial]
        spent = trial_training.Spent(
            in_lineage=sum(training_seconds(one) for one in ancestors),
            total=sum(training_seconds(one) for one in self.trials),
            epochs_in_lineage=sum(_epochs(one) for one in ancestors) // max(1, len(trial.members)),
        )
        return trial_training.final_hyperparameters(
            self.config,
            self.spec,
            elapsed=self.now,
            inherited=trial.parent is not None,
            spent=spent,
            choices=trial.choices,
            slowness=self._slowness(),
        )

    def _slowness(self) -> float:
        return defaults.slowness([past_trial(trial) for trial in self.trials])

    def _least_at_rung(self, trial: Trial) -> float | None:
        """The value that a child needs at the rung for its training to continue."""
        parent = trial.parent
        if parent is None or parent.result is None or parent.value is None or not trial.morphisms:
            return None
        gains = [
            one.result.value_at_rung - one.parent.value
            for one in self.trials
            if one.morphisms and one.result is not None and one.parent is not None
            if one.result.value_at_rung is not None and one.parent.value is not None
        ]
        return halving.least_at_rung(parent.value, parent.result.value_std or 0.0, gains)

    def _order(self, trial: Trial) -> TrainOrder:
        assert trial.hyperparameters is not None
        parent = trial.parent
        weights = None if parent is None or parent.result is None else parent.result.weights
        return TrainOrder(
            search_id=_NO_ID,
            trial_id=trial.trial_id,
            number=trial.number,
            kind=trial.kind,
            attempt=1,
            token=_NO_ID,
            lease_seconds=0.0,
            task=self.config.task,
            seed=trial_seed(self.config.seed, trial.number),
            architecture=trial.architecture.to_json(),
            parent_architecture=None if parent is None else parent.architecture.to_json(),
            parent_weights=weights,
            morphisms=tuple(to_json(morphism) for morphism in trial.morphisms),
            dataset=self._dataset,
            dataset_name=self.name,
            dataset_spec=self.spec,
            hyperparameters=trial.hyperparameters,
            members=tuple(_member(one) for one in trial.members),
        )

    def _fit_best(self) -> None:
        """Train the winner further, or join the best networks to an ensemble."""
        goal = pace.goal(self.config, self.spec)
        trials = comparable([past_trial(trial) for trial in self.trials], goal)
        winner = race.chosen(trials)
        assert winner is not None
        known = {trial.trial_id: trial for trial in self.trials}
        networks = defaults.networks(self.config, self.spec, self._slowness())
        chosen = ensembles.members_of(trials, networks, self.config.bounds)
        members = tuple(known[one.trial_id] for one in chosen)
        best = known[winner.trial_id]
        self._train(
            Trial(
                number=len(self.trials),
                architecture=ensembles.joined([one.architecture for one in members or (best,)]),
                parent=best,
                members=members,
                choices=best.choices,
                kind=TrialKind.FINAL,
            )
        )

    # --- progress -----------------------------------------------------------------------------

    def _progress(self) -> SearchProgress:
        searched = [trial for trial in self.trials if trial.kind is TrialKind.SEARCH]
        final = next((trial for trial in self.trials if trial.kind is TrialKind.FINAL), None)
        failures = _failures(searched)
        result = None if final is None else final.result
        return SearchProgress(
            status=self.status,
            parallelism=self.config.parallelism,
            trial_limit=self.config.budget.trials,
            epoch_limit=self.config.budget.epochs,
            trials_deadline=pace.trials_deadline(self.config),
            elapsed=self.now,
            created=len(searched),
            waiting=0,
            running=sum(trial.status in LIVE_TRIAL for trial in searched),
            epochs_taken=sum(_epochs(trial) for trial in searched),
            failures=len(failures),
            failure=failures[0] if failures else "",
            final=None if final is None else final.status,
            final_reason="" if result is None else result.reason,
            final_tested=result is not None and result.test is not None,
            has_best=any(trial.value is not None for trial in searched),
        )


def trial_seed(search_seed: int, number: int) -> int:
    """The seed of a trial's weights and batches."""
    return int(np.random.SeedSequence([search_seed, number]).generate_state(1)[0] >> 1)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for the blobs of one search."""
    with tempfile.TemporaryDirectory(prefix="netmorph-") as folder:
        yield Path(folder)


def _member(trial: Trial) -> Member:
    assert trial.result is not None
    assert trial.result.weights is not None
    return Member(architecture=trial.architecture.to_json(), weights=trial.result.weights)


def _failures(searched: list[Trial]) -> list[str]:
    """The reasons of the newest failed trials, the newest first, up to one that did not fail."""
    reasons = []
    ended = [trial for trial in searched if trial.result is not None]
    for trial in sorted(ended, key=lambda trial: trial.ended, reverse=True):
        if trial.status is not TrialStatus.FAILED or trial.result is None:
            break
        reasons.append(trial.result.reason)
    return reasons


def _epochs(trial: Trial) -> int:
    """The epochs that the trial took, or may take at most while it runs."""
    if trial.result is not None:
        return trial.result.epochs
    return 0 if trial.hyperparameters is None else trial.hyperparameters.epochs


_SILENT = TrainingCallbacks(
    should_stop=lambda: False, on_step=lambda step: None, on_epoch=lambda epoch: None
)  # fmt: skip
