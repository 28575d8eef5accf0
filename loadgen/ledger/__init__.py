"""The truth about a run, computed from what was generated and from docs/views.md alone."""

from loadgen.ledger.ledger import Ledger
from loadgen.ledger.tally import Tally
from loadgen.ledger.write import check

__all__ = ["Ledger", "Tally", "check"]
