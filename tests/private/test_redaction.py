"""Errors never quote a private value."""

from __future__ import annotations

import pytest

from headrace.private.fields import HIDDEN, PrivateFields, private_columns
from headrace.schema import EncodeError, Encoder, Registry
from headrace.topology.model import Topology
from tests.private import project
from tests.private.project import TOPIC, event

CANARY = "canary-7f3a@example.com"


@pytest.fixture
def encoder(tmp_path):
    project.write(tmp_path)
    return Encoder(Registry.load(tmp_path), "customers")


@pytest.mark.parametrize(
    "fields",
    [
        {"email": {"address": CANARY}},
        {"email": [CANARY]},
        {"phone": {"string": CANARY, CANARY: 1}},
        {"photo": f"{CANARY} is not base64"},
        {"device": [CANARY]},
    ],
)
def test_the_encoder_names_the_field_and_not_the_value(encoder, fields):
    with pytest.raises(EncodeError) as caught:
        encoder.encode(event("ann", **fields))
    assert "canary" not in str(caught.value)
    assert f"customers.{next(iter(fields))}: expected" in str(caught.value)


def test_other_fields_are_still_quoted(encoder):
    with pytest.raises(EncodeError, match="'noon'"):
        encoder.encode(event("ann", at="noon"))


def test_rows_for_people_hide_what_is_private_also_in_clear(encoder, tmp_path):
    declared = Topology.model_validate(project.TOPOLOGY)
    fields = PrivateFields.of(declared, TOPIC, encoder.schema)
    row = {"user_id": "ann", "email": CANARY, "phone": None, "photo": "AA==", "device": CANARY}
    hidden = {"email": HIDDEN, "photo": HIDDEN, "device": HIDDEN}
    assert fields.hide(row) == {**row, **hidden}
    assert fields.hide({"device": "hrp1:abc"}) == {"device": "hrp1:abc"}
    names = {"email", "phone", "photo", "device"}
    assert private_columns(declared, Registry.load(tmp_path)) == {TOPIC: names}
