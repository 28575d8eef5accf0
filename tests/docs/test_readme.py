"""The code in README.md is what it says: the agent runs, the declaration is the shop's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from hypothesis import given, settings

from agents.views import views
from headrace.frame import Frame
from headrace.testing import Given
from headrace.writes import Kind, RedisOps, Writes
from tests.strategies import logs

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


@settings(max_examples=20)
@given(log=logs("shop.orders"))
def test_the_agent_writes_the_history_that_the_shop_s_does(log: list[Any]):
    names: dict[str, Any] = {
        "pl": pl, "Frame": Frame, "Writes": Writes, "RedisOps": RedisOps, "Kind": Kind
    }  # fmt: skip
    exec(block("python"), names)
    held = Given({"shop.orders": log}).when(names["history"], disturbed=1)
    whole = Given({"shop.orders": log}).when(views, disturbed=0)
    assert held.redis == {at: kept for at, kept in whole.redis.items() if at[1] == "order:history"}


def test_the_declaration_is_the_shop_s():
    declared = yaml.safe_load((ROOT / "topology.yaml").read_text(encoding="utf-8"))["declared"]
    assert yaml.safe_load(block("yaml")).items() <= declared.items()
