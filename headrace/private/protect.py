"""Records in clear to records as Kafka may hold them, and back for those who may read them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headrace.errors import HeadraceError
from headrace.private import cipher
from headrace.private.cipher import NONCE_BYTES, SEALED, Unreadable
from headrace.private.fields import PrivateField, PrivateFields
from headrace.private.ring import KeyRing
from headrace.schema import EncodeError, text

Keys = Mapping[str, AESGCM]

UNREADABLE: Final = "<unreadable>"


class Forgotten(HeadraceError):
    """The person's key was destroyed: nothing of theirs can be encrypted or read again."""


class Protector:
    """Encrypts and decrypts the private fields of one topic's records (JSON values)."""

    def __init__(self, fields: PrivateFields, ring: KeyRing) -> None:
        self._fields = fields
        self._ring = ring
        #: Persons whose values ``reveal`` has decrypted.
        self.opened: set[str] = set()
        self._encrypted = fields.encrypted.fields
        self._pseudonyms = tuple(field for field in fields.fields if not field.encrypted)

    def protect(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """One record as ``protect_all`` has it; raises what would stand in its place."""
        (protected,) = self.protect_all([record])
        if isinstance(protected, Exception):
            raise protected
        return protected

    def protect_all(
        self, records: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any] | EncodeError | Forgotten]:
        """The records with their private values sealed or replaced by pseudonyms, in order.

        What is given is always taken as clear text, also when it looks sealed. A value of the
        wrong type is left for the encoder to refuse. In the place of a record stands EncodeError
        when a private value has no person, Forgotten when that person's key was destroyed.
        """
        whose = [self._whose(record) for record in records]
        keys = self._ring.make({person for person in whose if person})
        # Drawn at once, which halves what they cost, and gone with this call: a nonce that was
        # kept could be used again on the other side of a fork.
        drawn = BytesIO(os.urandom(NONCE_BYTES * len(self._encrypted) * len(records)))
        protected: list[dict[str, Any] | EncodeError | Forgotten] = []
        for record, person in zip(records, whose, strict=True):
            try:
                protected.append(self._sealed(record, person, keys, drawn))
            except (EncodeError, Forgotten) as error:
                protected.append(error)
        return protected

    def _whose(self, record: Mapping[str, Any]) -> str | None:
        """The person whose key a record needs, if it needs one."""
        for field in self._encrypted:
            if record.get(field.name) is not None:
                person = record.get(self._fields.person or "")
                return person if isinstance(person, str) else None
        return None

    def _sealed(
        self, record: Mapping[str, Any], person: str | None, keys: Keys, nonces: BytesIO
    ) -> dict[str, Any]:
        protected = dict(record)
        for field in self._pseudonyms:
            raw = _raw(field, record.get(field.name))
            if raw is not None:
                protected[field.name] = self._ring.pseudonym(raw)
        key: AESGCM | None = None
        for field in self._encrypted:
            raw = _raw(field, record.get(field.name))
            if raw is None:
                continue
            if key is None:
                key, bound = self._key(person, keys)
            sealed = cipher.seal(key, raw, field.bound + bound, nonces.read(NONCE_BYTES))
            protected[field.name] = sealed.encode() if field.binary else sealed
        return protected

    def _key(self, person: str | None, keys: Keys) -> tuple[AESGCM, bytes]:
        if not person:
            raise EncodeError(
                str(self._fields.person),
                "missing, expected the person whose private data this is",
                self._fields.person,
            )
        key = keys.get(person)
        if key is None:
            raise Forgotten(
                "the person was forgotten and their key destroyed: leave the private fields out, "
                "or use another id"
            )
        return key, person.encode()

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
                    self.opened.add(who)
                    clear[field.name] = text.bytes_text(raw) if field.binary else raw.decode()
            revealed.append(clear)
        return revealed


def sealed_text(field: PrivateField, value: Any) -> str | None:
    """A JSON value's sealed text; None when it is not sealed."""
    if not field.encrypted or not isinstance(value, str):
        return None
    shown = text.raw_bytes(value).decode(errors="replace") if field.binary else value
    return shown if shown.startswith(SEALED) else None


def _raw(field: PrivateField, value: Any) -> bytes | None:
    """The bytes to seal; None for null, and for what the encoder is going to refuse."""
    if value is None:
        return None
    try:
        return text.raw_bytes(value) if field.binary else str.encode(value)
    except (TypeError, ValueError):
        return None
