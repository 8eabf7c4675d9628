"""Faults of the worker."""

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        file="worker/trainer/training/step.py",
        old='            self.average.restore(state["average"])',
        new="            pass",
        tests=("tests/worker/trainer/training/test_resuming.py",),
    ),
    Mutant(
        file="worker/agent/monitor.py",
        old="if self.request is None or (self.request.action, answer.action) == (",
        new="if True or (self.request.action, answer.action) == (",
        tests=("tests/worker/agent/test_monitor.py",),
    ),
    Mutant(
        file="worker/agent/notifications.py",
        old="return Channel.lock.is_free() and bool(super().can_consume())",
        new="return bool(super().can_consume())",
        tests=("tests/worker/agent/test_notifications.py",),
    ),
    Mutant(
        file="worker/trainer/training/kept_weights.py",
        old="return self.task.objective(evaluation.metric), -evaluation.loss",
        new="return evaluation.metric, -evaluation.loss",
        tests=("tests/worker/trainer/training/test_kept_weights.py",),
    ),
    Mutant(
        file="worker/trainer/process.py",
        old="                self.stop.clear()\n",
        new="",
        tests=("tests/worker/trainer/test_process.py",),
    ),
    Mutant(
        file="worker/trainer/train_job.py",
        old="        job._check_morphisms()\n",
        new="",
        tests=("tests/worker/trainer/test_train_job.py",),
    ),
    Mutant(
        file="worker/messages.py",
        old='return text[: _LONGEST[field.field_name or ""]] if isinstance(text, str) else text',
        new="return text",
        tests=("tests/worker/test_messages.py",),
    ),
    Mutant(
        file="worker/agent/health.py",
        old="    if age > longest:",
        new="    if age > 2 * longest:",
        tests=("tests/worker/agent/test_health.py",),
    ),
    Mutant(
        file="worker/trainer/training/evaluation.py",
        old="        targets.append(y)\n",
        new="        targets.append(y.flip(0))\n",
        tests=("tests/worker/trainer/training/test_evaluation.py",),
    ),
    Mutant(
        file="worker/trainer/environment.py",
        old="BACKWARD * job.architecture.flops * h.batch_size",
        new="job.architecture.flops * h.batch_size",
        tests=("tests/worker/trainer/test_environment.py",),
    ),
    Mutant(
        file="worker/trainer/initial_weights.py",
        old="np.random.default_rng([job.seed, index])",
        new="np.random.default_rng(job.seed)",
        tests=("tests/worker/trainer/test_initial_weights.py",),
    ),
    Mutant(
        file="worker/trainer/run_order.py",
        old="keep_last=job.is_final or bool(h.averaging)",
        new="keep_last=job.is_final",
        tests=("tests/worker/trainer/test_job_training.py",),
    ),
    Mutant(
        file="worker/trainer/training/loop.py",
        old="if now >= 1 or began < self.h.rung <= now:",
        new="if now >= 1:",
        tests=("tests/worker/trainer/training/test_rounds.py",),
    ),
    Mutant(
        file="worker/trainer/training/step.py",
        old="return loss.detach() / len(self.network.networks)",
        new="return loss.detach()",
        tests=("tests/worker/trainer/training/test_step.py",),
    ),
    Mutant(
        file="worker/trainer/export/card.py",
        old="own = 0.0 if alone else seconds",
        new="own = seconds",
        tests=("tests/worker/trainer/export/test_card.py",),
    ),
    Mutant(
        file="worker/trainer/export/predict.py",
        old='layer.get("count_include_pad", False)',
        new="True",
        tests=("tests/worker/trainer/export/test_predict.py",),
    ),
    Mutant(  # the epochs before a checkpoint come after it, with the result
        file="worker/agent/lease.py",
        old="                    if isinstance(last, Checkpoint):\n                        break\n",
        new="                    if isinstance(last, Checkpoint):\n"
        "                        self._reports.pop()\n"
        "                        continue\n",
        tests=("tests/worker/agent/test_lease.py",),
    ),
    Mutant(  # an older service gets epochs in a field that it does not know
        file="worker/agent/lease.py",
        old="        if self._order.gathers_epochs:\n            with self._taking:",
        new="        if True:\n            with self._taking:",
        tests=("tests/worker/agent/test_lease.py",),
    ),
)
