"""Durable steps of this process, commits and writes to storage, one of which has a fault."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultDialect

from api.store import clock
from api.store.prepared import PreparedStatement
from core.protocol.contracts.blobs import BlobRef
from core.protocol.storage import Storage

_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")
#: Runs in each turn, and writes nothing while the database's clock does not jump.
_IDLE = str(clock.SETTLE)


class Crash(BaseException):
    """The machine loses its power."""


class Fault(Enum):
    """What a step does to its caller."""

    CRASH = "crash"
    ERROR = "error"


class DurableSteps:
    """Counts commits and writes to storage; one of them, chosen, has a fault."""

    def __init__(self) -> None:
        self.taken = 0
        self.struck = False
        self._fault, self._at, self._is_after = Fault.CRASH, 0, False
        self._has_written = False

    def fail_at(self, step: int, fault: Fault = Fault.CRASH, *, after: bool = False) -> None:
        """Have a fault at this step from now on, counted from 1; 0: none."""
        self.taken, self.struck = 0, False
        self._fault, self._at, self._is_after = fault, step, after

    def _is_due(self, *, after: bool) -> bool:
        """Whether the fault is here and now."""
        due = not self.struck and self.taken == self._at and self._is_after == after
        self.struck |= due
        return due

    def _lose(self, connection: psycopg.Connection[Any]) -> None:
        """Raise what the caller of a statement gets."""
        if self._fault is Fault.CRASH:
            raise Crash
        connection.close()
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    @contextmanager
    def _write(self) -> Iterator[None]:
        """One write to storage."""
        self.taken += 1
        for is_after in (False, True):
            if self._is_due(after=is_after):
                raise Crash if self._fault is Fault.CRASH else OSError(5, "Input/output error")
            if not is_after:
                yield

    @contextmanager
    def watching(self, patch: pytest.MonkeyPatch, engine: Engine) -> Iterator["DurableSteps"]:
        """Watch the database and the storage of this process."""
        self._patch(patch)
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        yield self
        event.remove(engine, "before_cursor_execute", self._before)
        event.remove(engine, "after_cursor_execute", self._after)

    def _patch(self, patch: pytest.MonkeyPatch) -> None:
        commit, put, delete = DefaultDialect.do_commit, Storage.put, Storage.delete
        put_file = Storage.put_file

        def do_commit(dialect: Any, connection: Any) -> None:
            has_written, self._has_written = self._has_written, False
            if not has_written:  # nothing becomes durable
                commit(dialect, connection)
                return
            self.taken += 1
            if self._is_due(after=False):
                self._lose(connection.dbapi_connection)
            commit(dialect, connection)
            if self._is_due(after=True):
                self._lose(connection.dbapi_connection)

        def store(storage: Any, *arguments: Any) -> BlobRef:
            with self._write():
                return put(storage, *arguments)

        def store_file(storage: Any, *arguments: Any) -> BlobRef:
            with self._write():
                return put_file(storage, *arguments)

        def remove(storage: Any, blob: BlobRef) -> None:
            with self._write():
                delete(storage, blob)

        patch.setattr(DefaultDialect, "do_commit", do_commit)
        patch.setattr(Storage, "put", store)
        patch.setattr(Storage, "put_file", store_file)
        patch.setattr(Storage, "delete", remove)
        rows = PreparedStatement.rows

        def watched(statement: PreparedStatement, connection: Connection, values: Any) -> Any:
            self._before(connection, None, statement.sql)
            found = rows(statement, connection, values)
            try:
                self._after(connection, None, statement.sql)
            except psycopg.Error as error:
                raise statement.refined(error, connection, is_lost=True) from error
            return found

        patch.setattr(PreparedStatement, "rows", watched)

    def _before(self, connection: Any, _: Any, statement: str, *__: Any) -> None:
        if not _WRITES.search(statement) or statement == _IDLE:
            return
        if not _commits_itself(connection):
            self._has_written = True
            return
        self.taken += 1
        if self._is_due(after=False):
            if self._fault is Fault.CRASH:
                raise Crash
            connection.connection.dbapi_connection.close()  # so that the statement fails

    def _after(self, connection: Any, _: Any, statement: str, *__: Any) -> None:
        if _WRITES.search(statement) and _commits_itself(connection) and self._is_due(after=True):
            self._lose(connection.connection.dbapi_connection)


def _commits_itself(connection: Any) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
