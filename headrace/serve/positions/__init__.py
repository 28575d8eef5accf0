"""How far what is answered is: the next offset of each partition that it reflects."""

from headrace.serve.positions.position import AtLeast, Position, parse_at_least
from headrace.serve.positions.positions import Positions

__all__ = ["AtLeast", "Position", "Positions", "parse_at_least"]
