"""Optuna's ask and tell on PostgreSQL; runs in Optuna's environment, made by `load.py`.

`python optuna_load.py URL SECONDS PROCESSES`: each process asks for a trial with five parameters
and tells its value, as often as it can. Prints a JSON object.
"""

import json
import multiprocessing
import sys
import time

import optuna

NAME = "load"


def ask_and_tell(url: str, seconds: float) -> int:
    """How many trials one process completes."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        study_name=NAME, storage=url, sampler=optuna.samplers.RandomSampler(seed=None)
    )
    ends, done = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        trial = study.ask()
        value = sum(trial.suggest_float(f"x{number}", 0, 1) for number in range(5))
        study.tell(trial, value)
        done += 1
    return done


def main() -> None:
    """Create the study, let the processes work, and print how much they did."""
    url, seconds, processes = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.create_study(study_name=NAME, storage=url)
    with multiprocessing.Pool(processes) as pool:
        done = pool.starmap(ask_and_tell, [(url, seconds)] * processes)
    found = {"version": optuna.__version__, "trials_per_second": sum(done) / seconds}
    print(json.dumps(found | {"processes": processes}))


if __name__ == "__main__":
    main()
