"""What stands around a property differs between keys of one URL shape."""

from __future__ import annotations

from models import exposure
from odata.edm.model import build
from odata.payload.envelope import ForRequest, frame, write
from odata.payload.formats import json_format
from odata.plan.make import make
from odata.url import parse

ROOT = "https://gw.example/odata/v4/"
KEY = "019ea414-14c1-7f1c-8ce8-c460953e6616"


def test_the_context_of_a_property_names_the_entity_of_this_request() -> None:
    plan = make(parse(f"Quotes({KEY})/Name", ""), build(exposure()))
    around = frame(plan, json_format("4.0"), ROOT)

    def answer(entity: str) -> bytes:
        here = ForRequest(segments=(entity,), next_link=lambda *_: "", row_bytes=100)
        return b"".join(write(plan, around, {"body": b'"x"'}, here).body)

    assert (
        answer("Quotes(1)") == b'{"@odata.context":"https://gw.example/odata/v4/$metadata#Quotes(1)/Name","value":"x"}'
    )
    assert (
        answer("Quotes(2)") == b'{"@odata.context":"https://gw.example/odata/v4/$metadata#Quotes(2)/Name","value":"x"}'
    )
