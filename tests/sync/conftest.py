"""The old shop: PostgreSQL and Kafka Connect are started once a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sync.old_shop import OldShop, running


@pytest.fixture(scope="session")
def old_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldShop]:
    with running(tmp_path_factory.mktemp("old_shop")) as shop:
        yield shop
