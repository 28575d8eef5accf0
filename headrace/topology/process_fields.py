"""Whether a process fits the schemas of its three topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.topology.privacy import is_private
from headrace.topology.process_flow import kept
from headrace.topology.processes import TIMEOUT, Constant, Process
from headrace.topology.tree import Path, Tree

Schema = Mapping[str, Any]
Wrong = tuple[Path, Any, str, str]
#: What the engine writes of a transition, beside instance, id and time.
TRANSITION = {
    "process": "string", "sequence": "long", "from_state": "string", "to_state": "string",
    "on": "string", "cause": "string", "commands": "array", "stuck": "boolean", "final": "boolean",
}  # fmt: skip
_KEPT = ("string", "enum", "int", "long", "boolean", "float", "double", "decimal",
         "timestamp-millis", "timestamp-micros", "array", "record")  # fmt: skip
_WIDER = {"enum": ("string",), "int": ("long",), "timestamp-millis": ("timestamp-micros",)}


def check(
    process: Process,
    tree: Tree,
    at: Path,
    schemas: Mapping[str, Schema],
    envelope: frozenset[str] | None,
) -> None:
    """Note every problem. ``schemas`` by topic; a topic whose schema can't be read is not there.

    ``envelope`` are the fields of a command that name its instance and id; None: the process names
    what there is not, so what its commands are made of is not looked at.
    """
    read = schemas.get(process.topic)
    commands = schemas.get(process.commands_topic)
    transitions = schemas.get(process.transitions_topic)
    wrong: list[Wrong] = []
    if read is not None:
        wrong += _read(process, read)
    if commands is not None:
        wrong += _commands(process, commands)
    if transitions is not None:
        wrong += _transitions(process, transitions)
    if read is not None and commands is not None and envelope is not None:
        wrong += _sources(process, read, commands, envelope)
    for part, value, what, fix in wrong:
        tree.problem((*at, *part), value, what, fix)


def _read(process: Process, schema: Schema) -> Iterator[Wrong]:
    names = process.names
    yield from _field(schema, ("names", "time"), names.time, "timestamp-millis")
    yield from _field(schema, ("names", "type"), names.type, "enum")
    if any(command.answers for command in process.commands.values()):
        yield from _field(schema, ("names", "answers"), names.answers, "string", null=True)
    known = _symbols(schema, names.type)
    used: dict[str, Path] = {names.timer: ("names", "timer"), names.resume: ("names", "resume")}
    for state, declared in process.states.items():
        used |= {on: ("states", state, "on", on) for on in declared.on if on != TIMEOUT}
    for command, asked in process.commands.items():
        used |= {on: ("commands", command, "answers", on) for on in asked.answers}
    for event, part in used.items():
        if known and event not in known:
            yield part, event, "no such type of event", f"the schema has: {', '.join(known)}"
    for state, declared in process.states.items():
        for on, moves in declared.on.items():
            for i, move in enumerate(moves):
                index = (i,) if len(moves) > 1 else ()
                for j, field in enumerate(move.keep):
                    yield from _keepable(
                        schema, ("states", state, "on", on, *index, "keep", j), field
                    )


def _keepable(schema: Schema, part: Path, name: str) -> Iterator[Wrong]:
    field = _get(schema, name)
    if field is None:
        yield part, name, "no such field", f"the schema has: {', '.join(_names(schema))}"
    elif is_private(field):
        yield part, name, "is private, and state is not encrypted", "keep an id instead"
    elif _kind(field["type"]) not in _KEPT:
        yield part, name, f"{_kind(field['type'])} can't be kept", f"keep one of {', '.join(_KEPT)}"


def _commands(process: Process, schema: Schema) -> Iterator[Wrong]:
    names = process.names
    yield from _field(schema, ("names", "time"), names.time, "timestamp-millis")
    yield from _field(schema, ("names", "type"), names.type, "enum")
    yield from _field(schema, ("names", "answers"), names.answers, "string")
    if any(command.undo for command in process.commands.values()):
        yield from _field(schema, ("names", "undoes"), names.undoes, "string", null=True)
    known = _symbols(schema, names.type)
    for name, command in process.commands.items():
        if known and command.type not in known:
            yield (
                ("commands", name, "type"), command.type, "no such type of command",
                f"the schema has: {', '.join(known)}",
            )  # fmt: skip


def _transitions(process: Process, schema: Schema) -> Iterator[Wrong]:
    yield from _field(schema, ("transitions_topic",), process.names.time, "timestamp-millis")
    for name, kind in TRANSITION.items():
        yield from _field(schema, ("transitions_topic",), name, kind)


def _sources(
    process: Process, read: Schema, commands: Schema, envelope: frozenset[str]
) -> Iterator[Wrong]:
    """Each field of a command against what it is made of."""
    names = process.names
    given = {names.type, names.time, names.answers, names.undoes, *envelope}
    surely = _kept_before(process)
    for name, command in process.commands.items():
        at: Path = ("commands", name, "fields")
        for target, source in command.fields.items():
            field = _get(commands, target)
            if field is None or target in given:
                fix = f"the schema has: {', '.join(n for n in _names(commands) if n not in given)}"
                yield (*at, target), target, "not a field for a command to set", fix
            elif isinstance(source, Constant):
                yield from _constant((*at, target), source, field)
            else:
                yield from _source((*at, target), source, read, field, surely.get(name))
        if command.hook is None:
            yield from _missing(at, command.fields.keys() | given, commands)


def _kept_before(process: Process) -> dict[str, frozenset[str]]:
    """What is surely kept when a command is sent."""
    at_state = kept(process)
    found: dict[str, frozenset[str]] = {}
    for state, declared in process.states.items():
        if state not in at_state:
            continue
        sent = [*declared.send]
        if declared.compensate is not None:
            sent += [c.undo for c in process.commands.values() if c.undo is not None]
        for command in sent:
            found[command] = found.get(command, at_state[state]) & at_state[state]
    return found


def _source(
    at: Path, source: str, read: Schema, target: Mapping[str, Any], surely: frozenset[str] | None
) -> Iterator[Wrong]:
    ever = _get(read, source)
    if ever is None:
        yield at, source, "no such field in the events", f"there are: {', '.join(_names(read))}"
        return
    have, want = _kind(ever["type"]), _kind(target["type"])
    same = _shape(ever["type"]) == _shape(target["type"])
    if not same and (have == want or want not in _WIDER.get(have, ())):
        yield at, source, f"is {have}, the command's field {want}", "let the two types agree"
    if surely is not None and source not in surely and not _null(target["type"]):
        yield at, source, "may not have been kept by then", "add it to keep of the moves before"
    elif _null(ever["type"]) and not _null(target["type"]):
        yield at, source, "may be null, the command's field not", "let it be null, or use a hook"


def _constant(at: Path, source: Constant, field: Mapping[str, Any]) -> Iterator[Wrong]:
    kinds = {bool: ("boolean",), int: ("int", "long"), str: ("string", "enum")}[type(source.value)]
    kind = _kind(field["type"])
    if kind not in kinds:
        yield (*at, "value"), source.value, f"the command's field is {kind}", "give one of its type"
    elif kind == "enum" and source.value not in _spec(field["type"])["symbols"]:
        symbols = ", ".join(_spec(field["type"])["symbols"])
        yield (*at, "value"), source.value, "not one of the field's symbols", f"it has: {symbols}"


def _missing(at: Path, have: set[str], schema: Schema) -> Iterator[Wrong]:
    for field in schema["fields"]:
        if field["name"] in have or "default" in field or _null(field["type"]):
            continue
        yield at, None, f"nothing for field {field['name']!r}", "add a source for it"


def _field(
    schema: Schema, part: Path, name: str, kind: str, *, null: bool = False
) -> Iterator[Wrong]:
    """What is wrong with a field that the engine reads or writes."""
    field = _get(schema, name)
    if field is None:
        has = ", ".join(_names(schema))
        yield part, name, f"schema {schema['name']!r} has no field {name!r}", f"it has: {has}"
    elif _kind(field["type"]) != kind and not (kind == "long" and _kind(field["type"]) == "int"):
        yield (
            part, name, f"field {name!r} of schema {schema['name']!r} is {_kind(field['type'])}",
            f"make it {kind}",
        )  # fmt: skip
    elif null and not _null(field["type"]):
        yield (
            part, name, f"field {name!r} of schema {schema['name']!r} can't be null",
            "let it: not every event has one",
        )  # fmt: skip


def _get(schema: Schema, name: str) -> Mapping[str, Any] | None:
    return next((f for f in schema["fields"] if f["name"] == name), None)


def _names(schema: Schema) -> list[str]:
    return [field["name"] for field in schema["fields"]]


def _null(spec: Any) -> bool:
    return spec == "null" or (isinstance(spec, list) and "null" in spec)


def _spec(spec: Any) -> Any:
    """The type that is not null; of several, the union."""
    if isinstance(spec, list):
        rest = [branch for branch in spec if branch != "null"]
        return _spec(rest[0]) if len(rest) == 1 else rest
    nested = isinstance(spec, Mapping) and isinstance(spec["type"], Mapping)
    return _spec(spec["type"]) if nested else spec


def _kind(spec: Any) -> str:
    """The logical type's name where there is one, else the type's."""
    spec = _spec(spec)
    if isinstance(spec, list):
        return "a union"
    return str(spec.get("logicalType", spec["type"])) if isinstance(spec, Mapping) else str(spec)


def _shape(spec: Any) -> Any:
    """A type without what does not matter to its values: names, docs, whether it can be null."""
    spec = _spec(spec)
    if isinstance(spec, str):
        return spec
    if isinstance(spec, list):
        return [_shape(branch) for branch in spec]
    if spec["type"] == "record":
        return [(field["name"], _shape(field["type"])) for field in spec["fields"]]
    parts = ("type", "logicalType", "precision", "scale", "symbols", "size")
    inner = [_shape(spec[part]) for part in ("items", "values") if part in spec]
    return [*(spec.get(part) for part in parts), *inner]


def _symbols(schema: Schema, name: str) -> list[str]:
    field = _get(schema, name)
    spec = _spec(field["type"]) if field is not None else None
    return spec.get("symbols", []) if isinstance(spec, Mapping) else []
