"""One connection of the driver, running prepared statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from backend.db.statements import Statement


class Connection:
    """A driver connection and the dialect it speaks. Transactions are the caller's business."""

    __slots__ = ("dialect", "driver")

    def __init__(self, driver: Any, dialect: Dialect) -> None:
        self.driver = driver
        self.dialect = dialect

    def query(self, statement: Statement, parameters: dict[str, Any]) -> list[Any]:
        """Rows as named tuples."""
        compiled = statement.compiled_for(self.dialect)
        cursor = self.driver.execute(compiled.sql, compiled.parameters(parameters))
        rows = compiled.rows(cursor.fetchall())
        cursor.close()
        return rows

    def execute(self, statement: Statement, parameters: dict[str, Any]) -> int:
        """Run a statement that returns no rows; the number of rows it touched."""
        compiled = statement.compiled_for(self.dialect)
        cursor = self.driver.execute(compiled.sql, compiled.parameters(parameters))
        count: int = cursor.rowcount
        cursor.close()
        return count

    def execute_many(self, statement: Statement, parameters: Sequence[dict[str, Any]]) -> None:
        """Run a statement once for each set of parameters."""
        if not parameters:
            return
        compiled = statement.compiled_for(self.dialect)
        values = [compiled.parameters(one) for one in parameters]
        if len(values) == 1:
            self.driver.execute(compiled.sql, values[0]).close()
            return
        cursor = self.driver.cursor()
        cursor.executemany(compiled.sql, values)
        cursor.close()

    def control(self, sql: str) -> None:
        """Transaction control: BEGIN, SAVEPOINT and their like."""
        self.driver.execute(sql).close()
