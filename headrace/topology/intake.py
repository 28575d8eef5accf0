"""What other programs may send over HTTP in a form of their own, and which events that becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from headrace.topology.base import Model, Name, TopicName
from headrace.topology.tree import Tree

if TYPE_CHECKING:
    from headrace.topology.model import Topology

#: Names of members, one within the other.
Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w-]*(\.[\w-]+)*$", max_length=256)]
Literal = bool | int | float | str
_NUMBERS = ("int", "long", "float", "double")


class Source(Model):
    """Where the value of a field comes from: the path ``from``, or always ``value``.

    ``default`` stands where there is nothing at the path. ``times`` multiplies a number; ``equals``
    makes it a boolean: whether what is there is this text; ``map`` has another value for each text
    that may be there, and for others there is nothing.
    """

    from_: Path | None = Field(default=None, alias="from")
    value: Literal | None = None
    default: Literal | None = None
    times: float | None = None
    equals: str | None = None
    map: dict[str, Literal] | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Source:
        if (self.from_ is None) == (self.value is None):
            raise ValueError("give one of 'from' and 'value'")
        made = (self.default, self.times, self.equals, self.map)
        if self.from_ is None and made != (None,) * len(made):
            raise ValueError("'default', 'times', 'equals' and 'map' need 'from'")
        return self


class Intake(Model):
    """``POST /v1/intake/<name>``: each JSON object becomes an event of ``topic``.

    ``fields`` has a source for each field of the event; a path alone is ``{from: path}``. What is
    at a path is made to fit the field's type: see docs/intake.md.
    """

    topic: TopicName
    fields: Annotated[dict[Name, Path | Source], Field(min_length=1)]
    doc: str = ""

    @property
    def sources(self) -> Mapping[str, Source]:
        """The source of each field."""
        return sources(self.fields)


def sources(fields: Mapping[str, str | Source]) -> Mapping[str, Source]:
    """The source of each field, where a path alone may stand for one."""
    return {
        name: Source.model_validate({"from": source}) if isinstance(source, str) else source
        for name, source in fields.items()
    }


def check(topology: Topology, tree: Tree, schemas: Mapping[str, Mapping[str, Any]]) -> None:
    """Note every problem on the tree; ``schemas`` are those that could be parsed, by name."""
    for name, declared in topology.intake.items():
        at = ("intake", name)
        topic = topology.topics.get(declared.topic)
        if topic is None:
            tree.problem(
                (*at, "topic"), declared.topic, "no such topic",
                f"declared: {', '.join(topology.topics)}",
            )  # fmt: skip
        elif (schema := schemas.get(topic.schema_)) is not None:
            for part, value, wrong, fix in wrong_fields(declared.sources, topic.schema_, schema):
                tree.problem((*at, "fields", *part), value, wrong, fix)


def wrong_fields(
    declared: Mapping[str, Source], name: str, schema: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], Any, str, str]]:
    """What is wrong with the sources of an event's fields: where, the value, why, the fix."""
    fields = {field["name"]: field for field in schema["fields"]}
    for field in fields.values():
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        if field["name"] not in declared and "default" not in field and "null" not in kinds:
            yield (), None, f"nothing for field {field['name']!r}", "add a source for it"
    for field_name, source in declared.items():
        if field_name not in fields:
            yield (
                (field_name,), None, f"schema {name!r} has no such field",
                f"it has: {', '.join(fields)}",
            )  # fmt: skip
            continue
        kind = _kind(fields[field_name]["type"])
        if source.equals is not None and kind != "boolean":
            yield (field_name, "equals"), source.equals, f"the field is {kind!r}", "drop equals"
        if source.times is not None and kind not in _NUMBERS:
            yield (field_name, "times"), source.times, f"the field is {kind!r}", "drop times"


def _kind(spec: Any) -> Any:
    """The type's name; of a union, that of its first type that is not null."""
    if isinstance(spec, list):
        return next((_kind(branch) for branch in spec if branch != "null"), "null")
    return _kind(spec["type"]) if isinstance(spec, Mapping) else spec
