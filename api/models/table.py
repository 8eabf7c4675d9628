"""The class that all tables extend, and the checks of columns."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, LargeBinary, MetaData, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """All tables; every constraint has a name, so that migrations can refer to it."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[dict[str, Any]]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
        str: String,
        bytes: LargeBinary,
    }


def one_of(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    """A CHECK that the column holds a value of a closed set."""
    listed = ", ".join(f"'{value}'" for value in sorted(values))
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def finite(*columns: str) -> list[CheckConstraint]:
    """CHECKs against NaN and infinities (NaN is greater than Infinity in Postgres)."""
    return [
        CheckConstraint(
            f"{column} > '-Infinity'::float8 AND {column} < 'Infinity'::float8",
            name=f"{column}_finite",
        )
        for column in columns
    ]
