"""How a declared view is read: one row a key, every state finished."""

from __future__ import annotations

from headrace.declared.plan import Plan
from headrace.declared.states import reading


def select(plan: Plan) -> str:
    """The view's final table, columns as ``batch.table`` has them, sorted as there.

    ``top`` and ``newest`` are arrays of tuples (value, number).
    """
    window = plan.declared.window
    keys = [*([window.name] if window else []), *plan.declared.key]
    fields = [f"{reading(one, name)} AS `{name}`" for name, one in plan.declared.fields.items()]
    columns = ",\n  ".join([*(f"v.`{key}` AS `{key}`" for key in keys), *fields])
    listed = ", ".join(f"`{key}`" for key in keys)
    return f"SELECT\n  {columns}\nFROM `{plan.name}` AS v\nGROUP BY {listed}\nORDER BY {listed}"
