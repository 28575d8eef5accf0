"""Who calls, and what they may ask for (docs/auth.md).

Routes declare ``caller: Annotated[Caller, Security(calling, scopes=["metrics:read"])]``; an app
with a route that does not is not served.
"""

from headrace.serve.auth.caller import Caller, calling
from headrace.serve.auth.installing import install

__all__ = ["Caller", "calling", "install"]
