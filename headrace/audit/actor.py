"""Who runs this process."""

from __future__ import annotations

import os
import pwd
import socket


def operator() -> str:
    """``user@host`` as the operating system knows them; LOGNAME and the like are not asked."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user without a line in passwd
        name = f"uid-{uid}"
    return f"{name}@{socket.gethostname()}"
