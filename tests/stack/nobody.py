"""An address where nothing answers."""

from headrace.stack.state import free_ports


def nobody_listens() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    return free_ports(1)[0]
