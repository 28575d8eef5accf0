"""How far tables had come in what was erased from them: the table ``_erased``.

A table's mark is the highest ``_offset`` that it holds. Were the rows at its end deleted with
nothing in their place, it would look as if it had lost them, and they would be read from the log
again, past the names under which views had counted them.
"""

from __future__ import annotations

from typing import Final

#: No declared table or view can have this name.
TABLE: Final = "_erased"
DOC: Final = "Highest offset by table and partition when rows of a person were deleted."
COLUMNS: Final = (
    ("table", "String", "Table that rows were deleted from."),
    ("_partition", "Int32", "Partition that their records came from."),
    ("_offset", "Int64", "Highest offset that the table held of it before."),
)
ORDER_BY: Final = ("table", "_partition")


def positions(database: str, table: str) -> str:
    """A select of (_partition, _offset) for one table, whose name is a plain word."""
    return f"SELECT _partition, _offset FROM {database}.`{TABLE}` WHERE table = '{table}'"
