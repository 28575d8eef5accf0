"""What a new version of a schema takes away, and what would miss it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace import topology
from headrace.lineage.graph import Kind, Lineage, Node
from headrace.lineage.impact import broken, named
from headrace.lineage.paths import fields
from headrace.lineage.project import of
from headrace.schema import AvroSchema, Registry
from headrace.schema.lock import load, locked
from headrace.schema.registry import parse
from headrace.schema.types import describe
from headrace.schema_files import FOLDER, version_of


@dataclass(frozen=True, slots=True)
class Loss:
    """A path that is not there any more, or not as it was.

    ``heir`` is the path that takes its values, by an alias; ``types`` are the old and the new type.
    """

    path: str
    heir: str | None = None
    types: tuple[str, str] | None = None

    def of(self, topic: str) -> str:
        """What happens to it, for people."""
        field = f"{self.path!r} of {topic}"
        if self.types is not None:
            return f"makes {field} {self.types[1]}, which was {self.types[0]}"
        return f"renames {field} to {self.heir!r}" if self.heir else f"drops {field}"


def losses(old: AvroSchema, new: AvroSchema) -> Iterator[Loss]:
    """Outermost ones, in the order of the old schema."""
    before, after = fields(old.type), fields(new.type)
    gone: set[str] = set()
    for path, field in before.items():
        outer = path.rpartition(".")[0]
        if outer in gone:
            gone.add(path)
        elif path not in after:
            gone.add(path)
            beside = (p for p in after if p.rpartition(".")[0] == outer)
            yield Loss(path, next((p for p in beside if field.name in after[p].aliases), None))
        elif (was := describe(field.type)) != (now := describe(after[path].type)):
            yield Loss(path, types=(was, now))


def report(root: Path) -> list[str]:
    """A line for each loss in the files that are not locked yet, by topic.

    Nothing if the topology can't be read; that is ``headrace check``'s to say.
    """
    new = {schema.name: schema for schema in _unlocked(root / FOLDER)}
    old = locked(root / FOLDER)
    lost = {name: list(losses(old[name][-1], new[name])) for name in new if name in old}
    if not any(lost.values()):
        return []
    # As it is read now: what is declared may not fit the new versions any more.
    declared, _ = topology.examine(root, versions={name: held[-1] for name, held in old.items()})
    if declared is None:
        return []
    lineage = of(declared, Registry({**{name: [one] for name, one in new.items()}, **old}))
    topics: Mapping[str, str] = {name: t.schema_ for name, t in declared.topics.items()}
    return [
        _line(lineage, new[schema], topic, loss)
        for topic, schema in topics.items()
        for loss in lost.get(schema, ())
    ]


def _line(lineage: Lineage, new: AvroSchema, topic: str, loss: Loss) -> str:
    start = Node(Kind.FIELD, topic, loss.path)
    inside = [node for node in lineage.nodes if node == start or node.within(start)]
    columns = [edge.target for n in inside for edge in lineage.feeds(n)
               if edge.target.kind is Kind.COLUMN]  # fmt: skip
    missed = "; ".join(named(broken(lineage, [*inside, *columns])))
    said = f"{new.title} {loss.of(topic)}"
    if not missed:
        return f"{said}: nothing reads it"
    return f"{said}: this would break {missed}; change these first, or keep the field"


def _unlocked(folder: Path) -> Iterator[AvroSchema]:
    """The newest file of each schema that is not in the lock."""
    lock = load(folder)
    newest: dict[str, tuple[int, Path]] = {}
    for file in folder.glob("*.avsc"):
        name, version = version_of(file)
        if file.name not in lock.files and version > newest.get(name, (0, file))[0]:
            newest[name] = (version, file)
    for name, (version, file) in newest.items():
        yield parse(name, file.read_text(encoding="utf-8"), version, 1)
