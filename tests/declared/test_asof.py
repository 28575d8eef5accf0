"""A declaration as of a moment is what plain Python says of the events until then."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.declared import asof
from headrace.declared.asof import AT, ROW
from headrace.errors import ConfigError
from headrace.schema import Registry
from headrace.testing import Project
from tests.declared import held, oracle
from tests.declared.cases import DECLARED
from tests.declared.test_laws import LAWS, logs, project, records, registry, shown, sources, times
from tests.strategies import DAY_MS, HOUR_MS, START_MS

__all__ = ["project", "registry"]  # fixtures
KEYS: dict[str, list[str]] = {
    "region": ["eu_west", "apac", "mars"],
    "currency": ["EUR"],
    "user_id": ["u1", "u2", "nobody"],
    "category": ["books", "toys"],
    "tenant": ["t1"],
    "route": ["/v1/carts"],
}
_moments = st.sampled_from([0, 1, -1, 9_999, 10_000]) | st.integers(-3 * HOUR_MS, 2 * DAY_MS)


def row_of(name: str, told: list[oracle.Record], keys: dict[str, str], at: int) -> Any:
    """The oracle's row for a key at a moment; None if there is none."""
    declared = DECLARED[name]
    rows = oracle.table(declared, [record for record in told if record.ms <= at])
    window = declared.get("window")
    found = [row for row in rows if all(row[key] == value for key, value in keys.items())]
    if window is None:
        return found[0] if found else None
    begin = min(oracle._windows(window, at))[0]
    return next((row for row in found if row[window["name"]] == begin), None)


@pytest.mark.parametrize("name", DECLARED)
@LAWS
@given(data=st.data())
def test_it_never_knows_of_later_events(
    name: str, project: Project, registry: Registry, data: st.DataObject
):
    log = {topic: data.draw(logs(topic)) for topic in sources(name)}
    key = DECLARED[name].get("key", [])
    asked = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {AT: _moments.map(lambda ms: START_MS + ms)}
                | {one: st.sampled_from(KEYS[one]) for one in key}
            ),
            min_size=1,
            max_size=8,
        )
    )
    frames = [
        (topic, project.frame(topic, part, partition, 0).df)
        for topic, parts in log.items()
        for partition, part in parts.items()
    ]
    given_ = pl.DataFrame(asked).with_row_index(ROW)
    found = asof.values(
        project.topology, registry, name, given_, data.draw(st.permutations(frames))
    )
    told = [record for topic, parts in log.items() for record in records(topic, parts)]
    fields = DECLARED[name]["fields"]
    expected = []
    for number, row in enumerate(asked):
        keys = {one: row[one] for one in key}
        then = row_of(name, told, keys, row[AT])
        if then is not None:
            expected.append({ROW: number, **{field: then[field] for field in fields}})
    assert held.rows(found) == shown(name, times(expected, "since"))


def test_many_rows_of_one_key_are_looked_at_in_parts(project, registry, monkeypatch):
    monkeypatch.setattr(asof, "_PAIRS", 20)
    asked = pl.DataFrame({"user_id": ["u1"] * 7, AT: [START_MS + n for n in range(7)]})
    events = [
        {
            "event_id": f"e{n}", "occurred_at": START_MS + n, "producer": "test",
            "schema_version": 1, "region": "apac", "user_id": "u1", "type": "placed",
            "order_id": f"o{n}", "currency": "EUR", "total": "1.00",
        }
        for n in range(10)
    ]  # fmt: skip
    frame = project.frame("shop.orders", events).df
    found = asof.values(
        project.topology, registry, "people", asked.with_row_index(ROW), [("shop.orders", frame)]
    )
    assert found["orders"].to_list() == [1, 2, 3, 4, 5, 6, 7]


def test_a_key_of_another_type_is_told(project, registry):
    asked = pl.DataFrame({"user_id": [b"\xff"], AT: [0]}).with_row_index(ROW)
    with pytest.raises(ConfigError, match="column 'user_id' is Binary; the key is String"):
        asof.values(project.topology, registry, "people", asked, [])
