"""The load generator: a simulated shop, and the ledger of what it sent.

``generate`` needs no Kafka; ``run`` sends on schedule and writes the ledger. Nothing here uses the
pipeline's code: the ledger is an independent truth.
"""

from loadgen.chunk import Batch, Chunk
from loadgen.config import LoadConfig, Mix, days, resolve
from loadgen.runner import Progress, Summary, run
from loadgen.stream import generate
from loadgen.wiring import Route, Wiring, wire

__all__ = [
    "Batch",
    "Chunk",
    "LoadConfig",
    "Mix",
    "Progress",
    "Route",
    "Summary",
    "Wiring",
    "days",
    "generate",
    "resolve",
    "run",
    "wire",
]
