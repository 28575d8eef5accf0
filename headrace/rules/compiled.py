"""A rule made ready for columns of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from headrace.rules.expressions import check
from headrace.rules.forms import FORMS
from headrace.rules.rule import Rule
from headrace.rules.wrong import Wrong


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """``fails`` is true in the rows for which the rule does not hold, and never null."""

    name: str
    rule: Rule
    fields: tuple[str, ...]
    fails: pl.Expr


def compile_rule(name: str, rule: Rule, dtypes: Mapping[str, pl.DataType]) -> Compiled:
    """Make a rule ready for the fields of a schema; raises Wrong when it does not fit them."""
    holds, fields = _holds(rule, dtypes)
    return Compiled(name, rule, fields, holds.not_().fill_null(rule.required).alias(name))


def _holds(rule: Rule, dtypes: Mapping[str, pl.DataType]) -> tuple[pl.Expr, tuple[str, ...]]:
    if len(rule.forms) != 1:
        has = " and ".join(rule.forms) or "none"
        one = ", ".join(("check", *FORMS))
        wrong = f"a rule has one form, this one has {has}"
        raise Wrong(None, rule.field or rule.check, wrong, f"give one of {one}")
    (form,) = rule.forms
    if form == "check":
        if rule.field is not None:
            raise Wrong("field", rule.field, "check names its fields itself", "leave field out")
        assert rule.check is not None
        return check(rule.check, dtypes)
    if rule.field is None:
        raise Wrong(None, form, "the rule names no field", f"add field beside {form}")
    if rule.field not in dtypes:
        known = ", ".join(dtypes)
        raise Wrong("field", rule.field, "the schema has no such field", f"it has: {known}")
    return FORMS[form](rule, pl.col(rule.field), dtypes[rule.field]), (rule.field,)
