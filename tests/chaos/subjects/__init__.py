"""What is under load while faults are injected, a table: each says how its results are proven."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.subjects.saga import Saga
from tests.chaos.subjects.shop import Shop
from tests.chaos.subjects.subject import Plan, Proof, Subject
from tests.chaos.subjects.visits import Visits

__all__ = ["SUBJECTS", "Plan", "Proof", "Subject"]

SUBJECTS: dict[str, Callable[[Plan], Subject]] = {"shop": Shop, "visits": Visits, "saga": Saga}
