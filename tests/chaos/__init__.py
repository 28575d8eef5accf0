"""Fault injection on the real stack: break things under load, then prove the results."""
