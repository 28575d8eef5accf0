"""The project, applied once on the session's services."""

from __future__ import annotations

import pytest

from headrace.private.master import VARIABLE
from tests.tracing import project


@pytest.fixture(scope="session")
def commands(stack, tmp_path_factory):
    root = tmp_path_factory.mktemp("traced")
    project.write(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "A" * 43 + "=")
        made = project.Commands(root)
        made("apply")
        yield made
