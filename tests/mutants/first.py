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
        file="core/search/beliefs.py",
        old="Observation(trial.architecture, trial.value, std, trial.fidelity)",
        new="Observation(trial.architecture, trial.value, std)",
        tests=("tests/core/search/test_bayesian.py",),
    ),
    Mutant(  # the answer to an epoch report is ignored
        file="worker/agent/lease.py",
        old="            self._handle(answer)\n        except Refused as error:\n            log",
        new="        except Refused as error:\n            log",
        tests=("tests/worker/agent/test_lease.py",),
    ),
    Mutant(  # a silent worker has no time to be heard after an outage
        file="api/store/endings.py",
        old="silent_at < now() - (expires_at - heard_at) / 3",
        new="silent_at < now()",
        tests=("tests/api/store/test_checkpoints.py",),
    ),
)
