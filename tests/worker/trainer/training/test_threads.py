"""A training goes on with one thread while its threads wait for other programs."""

from worker.trainer.training.threads import ThreadSettings


class Machine:
    """Its clock, and the numbers of threads that were chosen."""

    def __init__(self):
        self.now, self.counts = 0.0, []
        self.threads = ThreadSettings(2, lambda: self.now, self.counts.append)

    def steps(self, seconds, count):
        for _ in range(count):
            self.now += seconds
            self.threads.step_ended()


def test_steps_that_stay_as_fast_keep_all_threads():
    machine = Machine()
    machine.steps(0.125, 300)
    assert machine.counts == []


def test_steps_twice_as_slow_keep_all_threads_as_one_would_be_no_faster():
    machine = Machine()
    machine.steps(0.125, 20)
    machine.steps(0.25, 50)
    assert machine.counts == []


def test_one_slow_step_such_as_one_behind_an_evaluation_changes_nothing():
    machine = Machine()
    for _ in range(5):
        machine.steps(0.125, 20)
        machine.steps(9.0, 1)
    assert machine.counts == []


def test_slow_steps_lead_to_one_thread_until_all_are_as_fast_as_before():
    machine = Machine()
    machine.steps(0.125, 20)
    machine.steps(1.0, 4)
    assert machine.counts == [1]
    machine.steps(0.25, 80)  # 20 s: all are tried again
    assert machine.counts == [1, 2]
    machine.steps(1.0, 4)  # and are still slow
    assert machine.counts == [1, 2, 1]
    machine.steps(0.25, 80)
    machine.steps(0.125, 200)
    assert machine.counts == [1, 2, 1, 2]


def test_a_training_that_starts_slowly_learns_later_how_fast_steps_can_be():
    machine = Machine()
    machine.steps(1.0, 5)
    machine.steps(0.125, 20)
    machine.steps(1.0, 4)
    assert machine.counts == [1]
