"""Names of attributes: OpenTelemetry's semantic conventions for messaging and databases, and ours.

Written out: the package that has them as constants calls them incubating, and renames.
"""

from __future__ import annotations

from typing import Final

SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"
GROUP: Final = "messaging.consumer.group.name"
COUNT: Final = "messaging.batch.message_count"
OFFSET: Final = "messaging.kafka.offset"
DATABASE: Final = "db.system.name"

#: A block's range, both offsets included.
FIRST: Final = "headrace.block.first"
LAST: Final = "headrace.block.last"
#: What became of a block's records.
EVENTS: Final = "headrace.events"
DUPLICATES: Final = "headrace.duplicates"
DEAD_LETTERS: Final = "headrace.dead_letters"


def operation(name: str, topic: str) -> dict[str, str]:
    """What every span of an operation on a topic says."""
    return {SYSTEM: "kafka", OPERATION_NAME: name, OPERATION_TYPE: name, DESTINATION: topic}
