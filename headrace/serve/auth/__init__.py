"""Who calls, and what they may ask for.

Routes declare ``caller: Annotated[Caller, Security(calling, scopes=["metrics:read"])]``.
"""

from headrace.serve.auth.caller import Caller, calling

__all__ = ["Caller", "calling"]
