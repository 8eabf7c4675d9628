"""`python -P -m worker` runs a worker; with `healthcheck` it says whether the worker is alive."""

import logging
import sys

from pydantic import ValidationError

from core.protocol.startup import uncollected
from worker.agent import health
from worker.settings import Settings

logger = logging.getLogger(__name__)

_USAGE = "usage: python -m worker [healthcheck]"


def main(arguments: list[str]) -> int:
    """Run the worker or the health check; the exit code."""
    if arguments not in ([], ["healthcheck"]):
        print(_USAGE, file=sys.stderr)
        return 2
    try:
        settings = Settings()  # type: ignore[call-arg]  # filled from the environment
    except ValidationError as error:
        print(_explain(error), file=sys.stderr)
        return 2
    if arguments == ["healthcheck"]:
        problem = health.health_problem(settings)
        print(problem or "well", file=sys.stderr if problem else sys.stdout)
        return 1 if problem else 0
    with uncollected():
        # Not above: a health check, which comes twice a minute, must not wait for these imports.
        from core.protocol import tracing  # noqa: PLC0415
        from worker.agent import logs  # noqa: PLC0415
        from worker.agent.slot import NoFreeGpu  # noqa: PLC0415
        from worker.run import run  # noqa: PLC0415

    logs.set_up(settings.log_format, settings.log_level)
    tracing.set_up("netmorph-worker")
    try:
        return run(settings)
    except NoFreeGpu as error:
        logger.error("%s", error)
        return 3


def _explain(error: ValidationError) -> str:
    lines = [
        f"NETMORPH_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    ]
    return "invalid settings of the worker:\n" + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
