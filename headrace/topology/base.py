"""What all parts of the topology's models are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
TopicName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]+$", max_length=249)]
KeyspaceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_:]*$", max_length=64)]
Reference = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
]  # module:function


class Model(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
