"""Redis' ACLs as docs/security.md has them: what is documented is what is tried."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs/security.md"


def redis_rules() -> dict[str, str]:
    """The rule of each user, by its name."""
    return dict(re.findall(r"^ACL SETUSER (\w+) on ><password> (.*)$", DOCS.read_text(), re.M))
