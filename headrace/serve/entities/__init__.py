"""What Redis holds of an entity: parts of it found, read in one round trip, merged, decoded."""

from headrace.serve.entities.client import Keys
from headrace.serve.entities.reader import Entities, Held

__all__ = ["Entities", "Held", "Keys"]
