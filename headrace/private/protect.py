"""Records in clear to records as Kafka may hold them, and back for those who may read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headrace.private import cipher
from headrace.private.cipher import SEALED, Unreadable
from headrace.private.fields import PrivateField, PrivateFields
from headrace.private.ring import KeyRing
from headrace.schema import EncodeError, text

Keys = Mapping[str, AESGCM]

UNREADABLE: Final = "<unreadable>"


class Protector:
    """Encrypts and decrypts the private fields of one topic's records (JSON values)."""

    def __init__(self, fields: PrivateFields, ring: KeyRing) -> None:
        self._fields = fields
        self._ring = ring

    def keys(self, records: Sequence[Mapping[str, Any]]) -> Keys:
        """The keys that these records need, by person; made where missing, all at once."""
        encrypted = [field.name for field in self._fields.fields if field.encrypted]
        person = self._fields.person or ""
        persons: set[str] = set()
        for record in records:
            for name in encrypted:
                if record.get(name) is not None:
                    who = record.get(person)
                    if isinstance(who, str) and who:
                        persons.add(who)
                    break
        return self._ring.make(persons)

    def protect(self, record: Mapping[str, Any], keys: Keys | None = None) -> dict[str, Any]:
        """The record with its private values sealed or replaced by pseudonyms.

        What is given is always taken as clear text, also when it looks sealed. A value of the
        wrong type is left for the encoder to refuse. ``keys`` are those of ``keys()`` just now;
        without them the person's is asked for. Raises EncodeError when a private value has
        no person, Forgotten when that person's key was destroyed.
        """
        protected = dict(record)
        bound: tuple[AESGCM, bytes] | None = None
        for field in self._fields.fields:
            value = record.get(field.name)
            if value is None:
                continue
            raw = _raw(field, value)
            if raw is None:
                continue
            if not field.encrypted:
                protected[field.name] = self._ring.pseudonym(raw)
                continue
            if bound is None:
                person = self._person(record)
                known = None if keys is None else keys.get(person)
                bound = known or self._ring.key(person), person.encode()
            key, whose = bound
            sealed = cipher.seal(key, raw, field.bound + whose)
            protected[field.name] = sealed.encode() if field.binary else sealed
        return protected

    def reveal(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows as decoded to JSON, private values in clear; ``<unreadable>`` where none can be.

        Pseudonyms stay, and so does what was never encrypted.
        """
        person = self._fields.person or ""
        persons = {str(row[person]) for row in rows if person in row}
        keys = self._ring.held(persons)
        revealed = []
        for row in rows:
            clear = dict(row)
            for field in self._fields.fields:
                sealed = sealed_text(field, clear.get(field.name))
                if sealed is None:
                    continue
                who = str(row[person])
                try:
                    if who not in keys:
                        raise Unreadable("there is no key")
                    raw = cipher.open_(keys[who], sealed, field.bound + who.encode())
                except Unreadable:
                    clear[field.name] = UNREADABLE
                else:
                    clear[field.name] = text.bytes_text(raw) if field.binary else raw.decode()
            revealed.append(clear)
        return revealed

    def _person(self, record: Mapping[str, Any]) -> str:
        name = self._fields.person
        person = record.get(name) if name else None
        if not isinstance(person, str) or not person:
            raise EncodeError(
                str(name), "missing, expected the person whose private data this is", name
            )
        return person


def sealed_text(field: PrivateField, value: Any) -> str | None:
    """A JSON value's sealed text; None when it is not sealed."""
    if not field.encrypted or not isinstance(value, str):
        return None
    shown = text.raw_bytes(value).decode(errors="replace") if field.binary else value
    return shown if shown.startswith(SEALED) else None


def _raw(field: PrivateField, value: Any) -> bytes | None:
    """The bytes to seal; None for what the encoder is going to refuse."""
    try:
        return text.raw_bytes(value) if field.binary else str.encode(value)
    except (TypeError, ValueError):
        return None
