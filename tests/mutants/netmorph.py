"""Faults in the command line, the client and the launcher."""

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(  # the key is printed, and ends up in logs
        file="netmorph/commands/search.py",
        old='("sign in", sign_in)',
        new='("sign in", running.key)',
        tests=("tests/netmorph/commands/test_search.py",),
    ),
    Mutant(  # a pipe gets cut ids
        file="netmorph/tables.py",
        old="text if width >= WIDE or counts[text[:SHORT_ID]] > 1 else text[:SHORT_ID]",
        new="text[:SHORT_ID]",
        tests=("tests/netmorph/commands/test_options.py", "tests/netmorph/test_tables.py"),
    ),
    Mutant(  # the beginning that all keys share revokes the only key
        file="netmorph/commands/keys.py",
        old="len(text) > len(_EVERY_KEY) and",
        new="len(text) > 0 and",
        tests=("tests/netmorph/commands/test_keys.py",),
    ),
    Mutant(  # an old answer type
        file="netmorph/answers.py",
        old="    samples_per_second: float | None\n",
        new="    samples_per_second: float\n",
        tests=("tests/netmorph/test_answers.py",),
    ),
    Mutant(  # a key is created twice when an answer is lost
        file="netmorph/client.py",
        old='self._send("POST", path, json=body, headers=headers)',
        new='self._send("POST", path, json=body)',
        tests=("tests/netmorph/test_client.py",),
    ),
    Mutant(  # words that differ from those of the dashboard
        file="netmorph/lineage.py",
        old="return f\"continues trial {trial['parent_number']}{changes}\"",
        new="return f\"continues trial {trial['parent_number']}\"",
        tests=("tests/netmorph/test_lineage.py",),
    ),
    Mutant(  # a child that crashed once long ago waits half a minute for its restart
        file="netmorph/supervisor.py",
        old="self.deaths = 1 if ran_well else self.deaths + 1",
        new="self.deaths = self.deaths + 1",
        tests=("tests/netmorph/test_supervisor.py",),
    ),
    Mutant(  # an innocent process with a reused number is killed
        file="netmorph/launcher.py",
        old='if process.create_time() == record["created"]:',
        new='if process.create_time() >= record["created"]:',
        tests=("tests/netmorph/test_launcher.py",),
    ),
    Mutant(  # the files of the database are open to other accounts
        file="netmorph/server_files.py",
        old="status.st_mode & 0o170077 != 0o040000",
        new="status.st_mode & 0o170000 != 0o040000",
        tests=("tests/netmorph/test_server_files.py",),
    ),
    Mutant(  # workers learn the administrator's key of the shell
        file="netmorph/local_service.py",
        old='("NETMORPH_DATABASE_URL", "NETMORPH_ADMIN_KEY", "NETMORPH_KEY")',
        new='("NETMORPH_DATABASE_URL", "NETMORPH_KEY")',
        tests=("tests/netmorph/test_local_service.py",),
    ),
    Mutant(  # the file of a killed launcher is taken for a running service
        file="netmorph/target.py",
        old='if not directory.is_locked("lock"):',
        new='if directory.is_locked("lock") is None:',
        tests=("tests/netmorph/test_target.py",),
    ),
    Mutant(  # an archive writes outside its folder
        file="netmorph/export.py",
        old='or ".." in path.parts',
        new="",
        tests=("tests/netmorph/test_export.py",),
    ),
    Mutant(  # a silent child is left running
        file="netmorph/processes.py",
        old="    stop(process, how=signal.SIGTERM, grace=1)\n    summary",
        new="    summary",
        tests=("tests/netmorph/test_processes.py",),
    ),
    Mutant(  # the time left stands still between two answers of the service
        file="netmorph/progress.py",
        old='max(0.0, estimate - (seconds - search["used"]["seconds"]))',
        new="max(0.0, estimate)",
        tests=("tests/netmorph/test_progress.py",),
    ),
)
