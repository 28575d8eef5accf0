"""Process managers: ``(instance, event) -> (instance, commands, transitions)``, domain-free.

``machine`` makes a declaration ready, ``engine`` is the function, ``agent`` runs it on frames. See
docs/processes.md. The pattern is Garcia-Molina and Salem's saga (SIGMOD 1987), run by a process
manager as Hohpe and Woolf describe it (Enterprise Integration Patterns, 2003).
"""

from headrace.process.expand import expand

__all__ = ["expand"]
