"""ClickHouse's HTTP interface in front of chDB, the ClickHouse engine as a library.

chDB can't open ClickHouse's own ports, and one process owns a data folder, so this server stands
where ``clickhouse-server`` stands in production: the pipeline speaks to one thing in both.
Not here: sessions with state between requests, native compression (``compress=1``), progress.
"""
