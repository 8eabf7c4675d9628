"""Faults in the API: each is noticed by the tests of the room that it is in."""

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        file="api/edge/parsing.py",
        old="[0-9]{1,19}",
        new="\\d{1,19}",
        tests=("tests/api/edge/test_parsing.py",),
    ),
    Mutant(
        file="api/edge/throttle.py",
        old="return min(float(_FAILURES_PER_MINUTE), refilled)",
        new="return refilled",
        tests=("tests/api/edge/test_throttle.py",),
    ),
    Mutant(
        file="api/edge/limits.py",
        old="if _depth(text) > JSON_DEPTH:",
        new="if _depth(text) > JSON_DEPTH + 1:",
        tests=("tests/api/edge/test_limits.py",),
    ),
    Mutant(
        file="api/edge/errors.py",
        old="return _unavailable(request, error) if lost else _unexpected(request, error)",
        new="return _unavailable(request, error)",
        tests=("tests/api/edge/test_errors.py",),
    ),
    Mutant(
        file="api/edge/changes.py",
        old="            self._count -= 1\n",
        new="",
        tests=("tests/api/edge/test_changes.py",),
    ),
    Mutant(
        file="api/store/results.py",
        old="return clamped(value, LARGEST_BIG if is_big else LARGEST)",
        new="return clamped(value)",
        tests=("tests/api/store/test_results.py", "tests/api/store/test_leases.py"),
    ),
    Mutant(
        file="api/store/dispatch.py",
        old="key=lambda row: row[:2])",
        new="key=lambda row: row[1])",
        tests=("tests/api/store/test_dispatch.py",),
    ),
    Mutant(
        file="api/store/live_searches.py",
        old="last.status NOT IN ('failed', 'lost')",
        new="last.status NOT IN ('failed')",
        tests=("tests/api/store/test_live_searches.py",),
    ),
    Mutant(
        file="api/store/keys.py",
        old="Key.id == rotated.scalar_subquery()), are_open()",
        new="Key.id == rotated.scalar_subquery())",
        tests=("tests/api/store/test_keys.py",),
    ),
    Mutant(
        file="api/store/sign_ins.py",
        old="            BrowserSession.expires_at > func.now(),\n",
        new="",
        tests=("tests/api/store/test_sign_ins.py",),
    ),
    Mutant(
        file="api/controller/orders.py",
        old="limit - begun_at + GRACE",
        new="limit - begun_at",
        tests=("tests/api/controller/test_orders.py",),
    ),
    Mutant(
        file="api/store/results.py",
        old="if last.digest == digest:",
        new="if last.digest is not None:",
        tests=("tests/api/store/test_results.py",),
    ),
    Mutant(
        file="api/dashboard/visitors.py",
        old='if not is_ours or site not in ("same-origin", "none"):',
        new="if not is_ours:",
        tests=("tests/api/dashboard/test_visitors.py",),
    ),
    Mutant(
        file="api/pictures/fronts.py",
        old="if trial.kind == TrialKind.SEARCH\n        and trial.value",
        new="if trial.value",
        tests=("tests/api/pictures/test_fronts.py",),
    ),
    Mutant(
        file="api/app.py",
        old='"first worker", Role.WORKER',
        new='"first worker", Role.ADMIN',
        tests=("tests/api/test_app.py",),
    ),
    Mutant(
        file="api/controller/finisher.py",
        old='config.training.final_weights == "inherited"',
        new="True",
        tests=("tests/api/controller/test_finisher.py",),
    ),
    Mutant(
        file="api/controller/service.py",
        old="if discarded.are_there(session):",
        new="if not discarded.are_there(session):",
        tests=("tests/api/controller/test_service_turn.py",),
    ),
    Mutant(
        file="api/dashboard/live.py",
        old="trial_id, theme)",
        new='trial_id, "light")',
        tests=("tests/api/dashboard/test_live.py",),
    ),
    Mutant(
        file="api/edge/dependencies.py",
        old=', scope="function"',
        new="",
        tests=("tests/api/edge/test_dependencies.py",),
    ),
    Mutant(
        file="api/routes/worker.py",
        old="Response(status_code=HTTPStatus.NO_CONTENT)",
        new="Response()",
        tests=("tests/api/routes/test_worker.py",),
    ),
    Mutant(
        file="api/store/discarded.py",
        old="Trial.checkpoint_key, Dataset.blob_key)",
        new="Trial.checkpoint_key)",
        tests=("tests/api/store/test_discarded.py",),
    ),
    Mutant(
        file="api/store/summaries.py",
        old="Trial.value.desc(), Trial.number)",
        new="Trial.value.desc(), Trial.number.desc())",
        tests=("tests/api/store/test_summaries.py",),
    ),
    Mutant(
        file="api/store/train_orders.py",
        old=", Lease.token == held.token",
        new="",
        tests=("tests/api/store/test_train_orders.py",),
    ),
    Mutant(
        file="api/store/workers.py",
        old="trial_id if caller.is_admin or owner_id == caller.key_id else None",
        new="trial_id",
        tests=("tests/api/store/test_workers.py",),
    ),
    Mutant(
        file="core/data/intake.py",
        old="    flip: bool = False,",
        new="    flip: bool = True,",
        tests=("tests/api/test_imports.py",),
    ),
    Mutant(  # a name means the first version of a data set
        file="api/store/datasets.py",
        old="Dataset.uploaded_at.desc(), Dataset.version.desc()",
        new="Dataset.version",
        tests=("tests/api/store/test_datasets.py",),
    ),
)
