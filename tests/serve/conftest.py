"""One shop for all tests of the read side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serve.shop import Shop, running


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """See ``tests.serve.shop``."""
    with running(tmp_path_factory.mktemp("shop")) as found:
        yield found
