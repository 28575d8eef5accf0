"""Headrace: Faust agents at columnar speed, exactly once, with results you can prove."""

__version__ = "0.1.0"
