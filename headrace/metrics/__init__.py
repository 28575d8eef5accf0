"""What a worker measures about itself, and the one list of everything that can be scraped."""

from headrace.metrics.counters import Metrics
from headrace.metrics.histogram import Histogram

__all__ = ["Histogram", "Metrics"]
