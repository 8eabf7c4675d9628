"""A training uses all threads, and one while others keep them waiting."""

import pytest

from worker.trainer.training.threads import ThreadSettings


class Machine:
    """Its clock, how long steps take, and the numbers of threads that were chosen."""

    def __init__(self, threads=2):
        self.now, self.in_use, self.chosen = 0.0, threads, []
        self.step_seconds = {}  # by threads
        self.threads = ThreadSettings(threads, lambda: self.now, self.use)

    def use(self, threads):
        self.in_use = threads
        self.chosen.append(threads)

    def train(self, seconds, **step_seconds):
        """Train that long with steps of these seconds; returns those with each number."""
        self.step_seconds = {"one": 0.0, "all": 0.0} | step_seconds
        spent, end = {"one": 0.0, "all": 0.0}, self.now + seconds
        while self.now < end:
            name = "one" if self.in_use == 1 else "all"
            self.step(self.step_seconds[name])
            spent[name] += self.step_seconds[name]
        return spent

    def step(self, seconds):
        self.now += seconds
        self.threads.step_ended()


def test_an_idle_machine_uses_all_threads_but_for_two_steps_or_a_moment():
    assert Machine().train(600.0, all=0.1, one=0.16)["one"] <= 0.6
    assert Machine(16).train(600.0, all=0.1, one=1.2)["one"] <= 2.4


def test_a_busy_machine_uses_one_thread_and_tries_all_for_a_moment_now_and_then():
    spent = Machine().train(600.0, all=0.2, one=0.1)
    assert spent["all"] < 0.06 * spent["one"]


@pytest.mark.parametrize("slow", [0.2, 6.0], ids=["twice as slow", "sixty times as slow"])
def test_one_thread_is_used_while_others_are_busy_and_all_soon_after(slow):
    machine = Machine()
    machine.train(60.0, all=0.1, one=0.16)
    busy = machine.train(60.0, all=slow, one=0.18)
    assert busy["all"] < max(3.0, 6 * slow)
    assert machine.in_use == 1
    idle = machine.train(200.0, all=0.1, one=0.16)
    assert idle["one"] < 10 * 2 * slow + 11.0
    assert machine.in_use == 2


def test_a_machine_that_is_busy_while_a_training_starts_uses_all_threads_later():
    machine = Machine()
    machine.train(3.0, all=0.3, one=0.17)
    assert machine.in_use == 1
    assert machine.train(60.0, all=0.1, one=0.16)["one"] < 11.0


def test_steps_that_are_slow_with_any_number_are_no_reason_to_change_it_again_and_again():
    machine = Machine()
    machine.train(10.0, all=0.1, one=0.16)
    before = len(machine.chosen)
    assert machine.train(60.0, all=0.25, one=0.4)["one"] < 1.0
    assert len(machine.chosen) - before <= 4


def test_a_long_step_such_as_one_behind_an_evaluation_changes_nothing():
    machine = Machine()
    machine.train(10.0, all=0.1, one=0.16)
    before = len(machine.chosen)
    for _ in range(20):
        machine.step(5.0)
        machine.train(2.0, all=0.1, one=0.16)
    assert machine.in_use == 2
    assert len(machine.chosen) == before
