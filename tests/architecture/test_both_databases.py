"""Every statement can be compiled for SQLite and for SQL Server alike."""

import gc
import importlib
import pkgutil

import pytest
from sqlalchemy.dialects.mssql import pyodbc
from sqlalchemy.dialects.sqlite import pysqlite

import backend
import worker
from backend.db.statements import Statement


def _import_everything() -> None:
    for package in (backend, worker):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def _sql_server() -> pyodbc.MSDialect_pyodbc:
    dialect = pyodbc.dialect(paramstyle="qmark")
    # Told by the server at the first connection; every version we support can.
    dialect._supports_offset_fetch = True
    return dialect


@pytest.mark.parametrize("dialect", [pysqlite.dialect(), _sql_server()], ids=["sqlite", "mssql"])
def test_every_statement_compiles(dialect):
    _import_everything()
    statements = [thing for thing in gc.get_objects() if isinstance(thing, Statement)]
    assert len(statements) > 100
    broken = []
    for statement in statements:
        try:
            statement.compiled_for(dialect)
        except Exception as error:  # noqa: BLE001 (each failure is gathered and shown)
            broken.append(f"{error}: {statement.clause}")
    assert not broken, "\n".join(broken)
