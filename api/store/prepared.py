"""Statements of the hot path, which psycopg runs itself.

SQLAlchemy handles each execution of a statement and each row of its result in Python, which costs
as much as psycopg and the server need for the statement itself. A statement here is translated
once, when it is first run; the server keeps it prepared for each connection.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import psycopg
from psycopg import RawCursor
from psycopg.rows import RowMaker, namedtuple_row
from sqlalchemy import ClauseElement, Connection, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class PreparedStatement:
    """A statement with parameters `:name`, given as text or as an expression of SQLAlchemy.

    Its rows are named tuples of what psycopg makes of the columns: JSON is parsed, for example.
    """

    def __init__(self, statement: str | ClauseElement) -> None:
        self._statement = text(statement) if isinstance(statement, str) else statement
        self._make_row: RowMaker[Any] | None = None

    @cached_property
    def sql(self) -> str:
        """The statement as the server gets it, with parameters `$1`, `$2`, …"""
        return str(self._compiled)

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first row; None without one. Raises DBAPIError, as SQLAlchemy does."""
        return next(iter(self.rows(connection, values)), None)

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """All rows. Raises DBAPIError, as SQLAlchemy does."""
        driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
        if not driver.autocommit and not connection.in_transaction():
            connection.begin()  # so that it is committed or rolled back with the connection
        given = {**self._defaults, **values}
        try:
            cursor = RawCursor(driver, row_factory=self._rows)
            cursor.execute(self._query, [given[name] for name in self._names])
            return cursor.fetchall()
        except psycopg.Error as error:
            raise self.refined(error, connection, is_lost=driver.closed) from error

    def _rows(self, cursor: psycopg.Cursor[Any]) -> RowMaker[Any]:
        """How rows are made; the names of its columns are read once, as they never change."""
        if self._make_row is None:
            self._make_row = namedtuple_row(cursor)
        return self._make_row

    @cached_property
    def _compiled(self) -> Any:
        return self._statement.compile(dialect=_DIALECT)

    @cached_property
    def _query(self) -> bytes:
        return self.sql.encode()

    @cached_property
    def _names(self) -> list[str]:
        return list(self._compiled.positiontup)

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        """The constants in an expression, which are parameters as well."""
        return {name: value for name, value in self._compiled.params.items() if value is not None}

    def refined(
        self, error: psycopg.Error, connection: Connection, *, is_lost: bool
    ) -> BaseException:
        """The error as SQLAlchemy raises it; a lost connection leaves the pool."""
        if is_lost:
            connection.invalidate(error)
        return DBAPIError.instance(
            self.sql, None, error, psycopg.Error,
            connection_invalidated=is_lost, dialect=connection.dialect,
        )  # fmt: skip
