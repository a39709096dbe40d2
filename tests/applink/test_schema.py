"""Messages: what is read, what is refused and how it says so; bodies that are no plain JSON."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from applink import body, schema
from applink.errors import InvalidId, InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from applink.operations.create_quotes import CreateQuotesRequest
from applink.operations.messages import Job, QuoteResult
from applink.operations.update_quote import UpdateQuoteRequest

ID = "006bZ0000000001QAA"
GATEWAY_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def read(**members: Any) -> CreateQuotesRequest:
    return schema.read(CreateQuotesRequest, members)


def test_ids_are_read_short_and_long_and_held_long() -> None:
    assert read(opportunityIds=[ID[:15], ID]).opportunity_ids == (ID, ID)
    assert read(opportunityIds=[ID], callbackUrl=None, requestKey="  k 1 ").request_key == "k 1"


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({}, InvalidRequest, "opportunityIds is missing."),
        ({"opportunityIds": None}, InvalidRequest, "opportunityIds is missing."),
        ({"opportunityIds": []}, InvalidRequest, "opportunityIds has 0 items; it needs at least 1."),
        ({"opportunityIds": ID}, InvalidRequest, "opportunityIds is a text; it needs a list."),
        ({"opportunityIds": {"0": ID}}, InvalidRequest, "opportunityIds is an object; it needs a list."),
        ({"opportunityIds": [7]}, InvalidRequest, "opportunityIds[0] is the number 7; it needs the id of an Opport"),
        ({"opportunityIds": [ID, "001bZ0000000001QAA"]}, InvalidId, "opportunityIds[1] is '001bZ0000000001QAA', which"),
        ({"opportunityIds": [ID.lower()]}, InvalidId, "whose last three characters do not fit"),
        ({"opportunityIds": ["' OR Name LIKE '%"]}, InvalidId, "opportunityIds[0] is \"' OR Name LIKE '%\"; it needs"),
        ({"opportunityIds": ["006bZ000000000\u0661"]}, InvalidId, "'006bZ000000000\\u0661'; it needs the id"),
        ({"opportunityIds": [ID + "\n"]}, InvalidId, "'006bZ0000000001QAA\\n'; it needs the id"),
        ({"opportunityIds": [ID], "ifDraftExists": "maybe"}, InvalidRequest, "one of create, return, revise"),
        ({"opportunityIds": [ID], "requestKey": "x" * 121}, InvalidRequest, "requestKey has 121 characters; it needs"),
        ({"opportunityIds": [ID], "requestKey": "a\nb"}, InvalidRequest, "requestKey holds control characters"),
        ({"opportunityIds": [ID], "callbackURL": "x"}, InvalidRequest, "did you mean callbackUrl?"),
        ({"opportunityIds": [ID], "org_id": "x"}, InvalidRequest, "There is no member 'org_id'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(given: dict[str, Any], kind: type, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema.read(CreateQuotesRequest, given)
    assert type(caught.value) is kind and said in caught.value.message


def test_all_wrong_members_are_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema.read(UpdateQuoteRequest, {"quoteId": "x", "discountPercent": 101, "colour": 1})
    for part in ("colour", "quoteId is 'x'", "discountPercent is 101"):
        assert part in caught.value.message


def test_of_two_thousand_wrong_ids_ten_are_told() -> None:
    with pytest.raises(InvalidId) as caught:
        read(opportunityIds=["' OR 1=1 --"] * 2000)
    assert "opportunityIds[9]" in caught.value.message and "opportunityIds[10]" not in caught.value.message
    assert caught.value.message.endswith("And 1990 more of 2000.")


def test_a_quote_is_named_by_either_id() -> None:
    assert schema.read(UpdateQuoteRequest, {"quoteId": "0Q0bZ0000000001"}).quote_id == "0Q0bZ0000000001SAA"
    assert schema.read(UpdateQuoteRequest, {"quoteId": GATEWAY_ID.upper()}).quote_id == GATEWAY_ID


def test_dates_and_percents_are_exact() -> None:
    given = {"quoteId": GATEWAY_ID, "expirationDate": "2028-02-29", "discountPercent": Decimal("12.50")}
    asked = schema.read(UpdateQuoteRequest, given)
    assert (asked.expiration_date, str(asked.discount_percent)) == (date(2028, 2, 29), "12.50")
    for wrong in ("2027-02-29", "2027-2-9", "20270209", "99999-01-01", ""):
        with pytest.raises(InvalidRequest, match="it needs a date such as"):
            schema.read(UpdateQuoteRequest, given | {"expirationDate": wrong})
    for wrong_percent in (True, "12", Decimal("-0.01"), Decimal("100.01"), Decimal("1.005"), Decimal("NaN")):
        with pytest.raises(InvalidRequest, match="it needs a number from 0 to 100"):
            schema.read(UpdateQuoteRequest, given | {"discountPercent": wrong_percent})


def test_an_answer_has_its_order_and_no_nulls() -> None:
    answer = {
        "created": True, "gatewayId": GATEWAY_ID, "quoteId": "0Q0bZ0000000001SAA", "opportunityId": ID,
        "status": "Draft", "currencyIsoCode": "USD", "grandTotal": Decimal("100.10"), "lineCount": 1,
        "expirationDate": date(2026, 4, 30), "quoteNumber": None,
    }  # fmt: skip
    written = schema.write(QuoteResult, answer)
    assert list(written) == [
        "quoteId", "gatewayId", "opportunityId", "status", "currencyIsoCode", "grandTotal", "expirationDate",
        "lineCount", "created",
    ]  # fmt: skip
    assert written["grandTotal"] == 100.1 and written["expirationDate"] == "2026-04-30"
    assert schema.write(QuoteResult, written) == written


def test_an_answer_that_the_contract_does_not_know_is_a_defect() -> None:
    with pytest.raises(ValueError, match="Job has no surprise"):
        schema.write(Job, {"surprise": 1})
    with pytest.raises(ValueError, match="Job needs jobId"):
        schema.write(Job, {})


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "The body is no JSON"),
        (b"{", "The body is no JSON"),
        (b"\xff", "The body is not UTF-8 (byte 0)."),
        (b'{"a":1,"a":2}', "The member 'a' stands there twice."),
        (b'{"a":NaN}', "NaN is no number of JSON."),
        (b'{"a":' + b"9" * 39 + b"}", "39 digits; the limit is 38"),
        (b'{"a":' + b"9" * 200_000 + b"}", "digits; the limit is 38"),
        (b'{"a":1e200000}', "too large an exponent"),
        (b'{"a":"\\ud800"}', "half of a surrogate pair"),
        (b'{"a":"\\u0000"}', "holds a NUL"),
        (b'{"\\u0000":1}', "holds a NUL"),
        (b"[" * 5_000, "nested deeper than 10 levels"),
        (b"[" * 120_000 + b"]" * 120_000, "nested deeper than 10 levels"),
        (b'{"a":' * 11 + b"1" + b"}" * 11, "nested deeper than 10 levels"),
        (b'\xef\xbb\xbf{"a":1}', "The body is no JSON"),
    ],
    ids=range(15),
)
def test_a_body_that_is_no_plain_json(raw: bytes, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidRequest) as caught:
        body.parse(raw)
    assert said in caught.value.message and time.monotonic() - started < 1


def test_brackets_within_texts_do_not_nest() -> None:
    assert body.parse(b'{"a":"[[[[[[[[[[[[[[[[\\"[[[{{{","b":[1.50]}')["b"] == [Decimal("1.50")]


def test_a_text_that_never_ends_costs_no_square() -> None:
    started = time.monotonic()
    assert body.depth('"' + '\\"' * 120_000) == 0
    assert body.depth('"a' * 100_001) == 0
    assert time.monotonic() - started < 1


@dataclass
class Endless:
    """A body that never ends; taken: how much was asked for."""

    taken: int = 0

    def read(self, size: int = -1, /) -> bytes:
        self.taken += size
        return b" " * size


def test_a_body_is_read_within_its_limit() -> None:
    json = {"content-type": "application/json; charset=utf-8"}
    assert body.read(io.BytesIO(b"{}"), json | {"content-length": "2"}, 10) == b"{}"
    endless = Endless()
    with pytest.raises(PayloadTooLarge, match="the limit of 10 bytes"):
        body.read(endless, json, 10)
    assert endless.taken == 11
    with pytest.raises(PayloadTooLarge):
        body.read(endless, json | {"content-length": "11"}, 10)
    assert endless.taken == 11
    with pytest.raises(InvalidRequest, match="ended early: 1 of 5"):
        body.read(io.BytesIO(b"{"), json | {"content-length": "5"}, 10)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": 'application/json; charset="ISO-8859-1"'},
        {"content-type": "application/json;x=y;charset=cp037"},
        {"content-type": "application/jsonp"},
    ],
)
def test_a_body_of_another_kind_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType, match="Content-"):
        body.read(io.BytesIO(b"{}"), headers, 10)


@pytest.mark.parametrize("parameters", ["", ";charset=UTF-8", '; charset="utf-8"', "; charset=us-ascii", ";x=y"])
def test_a_body_in_utf_8_is_read(parameters: str) -> None:
    assert body.read(io.BytesIO(b"{}"), {"content-type": f"Application/JSON{parameters}"}, 10) == b"{}"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (None, "There is no Content-Type; it needs to be application/json."),
        ("json; charset=utf-8", "Content-Type is 'json'; it needs"),
        ("Text/CSV;header=present", "Content-Type is 'Text/CSV'; it needs"),
    ],
)
def test_a_media_type_is_shown_as_it_was_sent(sent: str | None, said: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        body.read(io.BytesIO(b"{}"), {} if sent is None else {"content-type": sent}, 10)
    assert said in caught.value.message
