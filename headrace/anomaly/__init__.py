"""Anomaly detection on series by minute. Pure: state in, state and alerts out; no clock, no I/O."""
