"""Views and features that are declared: compiled to Polars on the stream and to SQL in ClickHouse.

``expand`` turns ``declared:`` into what the rest knows: views, keyspaces and agents. ``agents``
runs what is kept in Redis, ``batch`` gives the same tables from the events alone.
"""
