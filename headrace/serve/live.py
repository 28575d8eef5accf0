"""The few numbers of the terminal view, read from ClickHouse."""

from __future__ import annotations

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from headrace.errors import Transient
from headrace.security.address import clickhouse_options

_REVENUE = """
SELECT formatDateTime(minute, '%H:%i', 'UTC') AS at, sum(orders), toFloat64(sum(revenue))
FROM revenue_by_minute GROUP BY minute ORDER BY minute DESC LIMIT {limit:UInt32}
"""


class LiveReader:
    """Answers from the aggregating views only."""

    def __init__(self, url: str, database: str) -> None:
        self._client = clickhouse_connect.get_client(**clickhouse_options(url), database=database)

    def revenue(self, minutes: int = 6) -> list[tuple[str, int, float]]:
        """Orders and revenue of the newest minutes that have any, all currencies together."""
        try:
            result = self._client.query(_REVENUE, parameters={"limit": minutes})
        except ClickHouseError as error:
            raise Transient(f"can't read revenue: {error}") from error
        return [(str(at), int(n), float(amount)) for at, n, amount in result.result_rows]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
