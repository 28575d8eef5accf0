"""Hands the Job of a message to agents as it is: nothing to deserialise per message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import faust


class BlockTopic(faust.Topic):  # type: ignore[misc]
    """A topic description that stands for all topics an agent reads."""

    def get_topic_name(self) -> str:
        """All names: Faust's own would refuse more than one, and so `faust agents` would."""
        return ", ".join(self.topics)


class BlockSchema(faust.Schema):  # type: ignore[misc]
    """A Faust schema whose event value is the message's ``Job``."""

    def compile(self, app: Any, **kwargs: Any) -> Callable[..., Awaitable[Any]]:
        """Return Faust's decode function; decoding proper happens once a block, in the Job."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, message.headers, message)

        return decode
