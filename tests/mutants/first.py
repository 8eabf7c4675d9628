"""Faults that the tests once did not notice."""

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(  # the temperature never cools
        file="core/search/acquisition.py",
        old="self._temperature * DECAY",
        new="self._temperature",
        tests=("tests/core/search/test_acquisition.py",),
    ),
    Mutant(  # the acceptance ignores the unit of the acquisition
        file="core/search/acquisition.py",
        old=" / self.acquisition.unit(self.surrogate)",
        new="",
        tests=("tests/core/search/test_acquisition.py",),
    ),
    Mutant(  # a value after half a training counts like one after all of it
        file="core/search/strategies/bayesian.py",
        old="Observation(trial.architecture, trial.value, std, trial.fidelity)",
        new="Observation(trial.architecture, trial.value, std)",
        tests=("tests/core/search/test_bayesian.py",),
    ),
    Mutant(  # the answer to an epoch report is ignored
        file="worker/agent/lease.py",
        old="self._handle(self._controller.epoch(self._order, epoch, self._timeout))",
        new="self._controller.epoch(self._order, epoch, self._timeout)",
        tests=("tests/worker/agent/test_lease.py",),
    ),
    Mutant(  # trust in a lease is counted from the answer, not from the sending
        file="worker/agent/lease.py",
        old="self._trusted_until = self._end_of_trust(sent_at)",
        new="self._trusted_until = self._end_of_trust(self._clock())",
        tests=("tests/worker/agent/test_lease.py",),
    ),
)
