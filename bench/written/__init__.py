"""The shop's features as an agent that is written by hand, which ``topology.yaml`` now declares.

No pipeline runs it. It is the other side of ``bench.declared``, and what tests hold the declared
agents against: it says in plain Polars, with code of its own, what they have to end in.
"""
