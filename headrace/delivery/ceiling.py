"""When too much goes to the dead letters, stop: diverting everything is losing it politely."""

from __future__ import annotations

from collections import deque

from headrace.errors import Terminal
from headrace.topology.model import DeadLetters


class Ceiling:
    """The share of dead letters among the last ``window_records`` records, over all topics."""

    def __init__(self, config: DeadLetters) -> None:
        self._config = config
        self._blocks: deque[tuple[int, int]] = deque()
        self._records = 0
        self._bad = 0

    @property
    def ratio(self) -> float:
        """The share; 0 until there are ``min_records`` to judge by."""
        return self._bad / self._records if self._records >= self._config.min_records else 0.0

    def check(self, what: str, records: int, bad: int) -> None:
        """Count a block before its dead letters are sent; raise Terminal past the ceiling."""
        self._blocks.append((records, bad))
        self._records += records
        self._bad += bad
        while self._records - self._blocks[0][0] >= self._config.window_records:
            gone_records, gone_bad = self._blocks.popleft()
            self._records -= gone_records
            self._bad -= gone_bad
        ratio = self.ratio
        if ratio > self._config.max_ratio:
            raise Terminal(
                f"{what}: {self._bad} of the last {self._records} records can't be processed "
                f"({ratio:.1%}, dead_letters.max_ratio is {self._config.max_ratio:.1%}); stopping "
                f"before these are diverted. Look at the reasons with 'headrace dlq list', fix "
                f"the producer or the agent, or raise dead_letters.max_ratio"
            )
