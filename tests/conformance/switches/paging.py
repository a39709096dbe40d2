"""Switches of server-driven paging: page sizes, next links, tokens."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, func, or_

from odata import pipeline
from odata.payload import envelope
from odata.plan import orderby, paging
from odata.protocol.preferences import Preferences
from odata.sql import keyset
from odata.sql.context import number
from odata.sql.json import constant
from tests.conformance.switches.switch import Switch, both, put, unchecked

EVERY_ROW = ("test_every_row_once_*", "test_every_quote_once*", "test_paging_by_strings*")
AFTER, READ_TOKEN = keyset.after, paging.read_token
UNTIL_UNIQUE, WRITE = orderby._until_unique, envelope.write


def _always_more(plan: Any, frame: Any, row: Any, here: Any) -> Any:
    return WRITE(plan, frame, row | {"seen": row["seen"] + 1} if "seen" in row else row, here)


def _from_the_boundary(keys: Any, columns: Any, boundary: Any) -> Any:
    same = and_(*(keyset._equal(column, value) for column, value in zip(columns, boundary, strict=True)))
    return or_(AFTER(keys, columns, boundary), same)


def _first_secret_only(signer: Any, signature: bytes, payload: bytes, binding: bytes) -> bool:
    return bool(signature == signer.sign(payload, binding))


def _of_any_collation(links: Any, query: str) -> bytes:
    return paging.binding(path=links.path, query=query, org_id=links.org_id, profile=links.profile)


TURNS = itertools.cycle((False, True))


def _ties_in_turns(keys: Any, variable: Any) -> list[Any]:
    """Rows that are equal in what was asked for come in one order now and in the other one next time."""
    turned = next(TURNS)
    asked, *others = UNTIL_UNIQUE(keys, variable)
    return [asked, *(replace(key, descending=turned) for key in others)]


SWITCHES: dict[str, Switch] = {
    "pages are as long as the answer": Switch(
        put("odata.plan.paging.Page.size", lambda page, top, limits: (5000, False)),
        ("test_every_quote_once*", "test_every_row_once_by_composite*", "test_page_sizes",
         "test_next_links_are_absolute*", "test_links_of_4_01"),
    ),
    "nothing stands behind a page": Switch(
        put("odata.sql.select.after", lambda *given: AFTER(*given) & (number(1) == number(2))),
        EVERY_ROW,
    ),
    "a page begins where the one before ended": Switch(
        put("odata.sql.select.after", _from_the_boundary), ("test_rows_coming_and_going",)
    ),
    "each page has a time of its own": Switch(
        put("odata.sql.parameters.StatementBinds.moment", lambda _: func.now()),
        ("test_every_page_orders_by_the_moment_*",),
    ),
    "no preference is read": Switch(
        put("odata.protocol.wsgi.preferences", lambda headers, *, page_rows: (Preferences(), None)),
        ("test_m40_14_*", "test_a_preference_is_said*"),
    ),
    "a preference that makes no sense is one row": Switch(
        put("odata.protocol.wsgi.preferences", lambda headers, *, page_rows: (Preferences(max_page_size=1), None)),
        ("test_bar_32_*",),
    ),
    "a preference is always said to be applied": Switch(
        put("odata.protocol.wsgi._answered", lambda http, asked, principal, trace: replace(
            reply := pipeline.answer(http.service, asked, principal, trace=trace),
            headers=(*reply.headers, ("Preference-Applied", "maxpagesize=5")))),
        ("test_a_preference_is_said*",),
    ),
    "next links lose the options": Switch(
        put("odata.payload.next_links.Links.query", property(lambda links: "")), ("test_next_links_are_absolute*",)
    ),
    "a full page has a next link": Switch(put("odata.pipeline.write", _always_more), ("test_no_next_link_*",)),
    "the prefix stays in 4.01": Switch(
        put("odata.payload.formats.Format.prefix", property(lambda format: "odata.")), ("test_links_of_4_01",)
    ),
    "tokens of anybody are taken": Switch(
        both(put("odata.plan.paging.Signer.accepts", lambda *_: True), unchecked("odata.plan.make.require_order")),
        ("test_bar_14_*", "test_a_token_is_bound_*"),
    ),
    "tokens may be spelt in any way": Switch(
        put("odata.payload.next_links.read_token",
            lambda text, signer, bound_to: READ_TOKEN(text.strip("= "), signer, bound_to)),
        ("test_tokens_have_one_spelling",),
    ),
    "a secret is forgotten when it is replaced": Switch(
        put("odata.plan.paging.Signer.accepts", _first_secret_only), ("test_secrets_rotate",)
    ),
    "a token is good for any order": Switch(
        unchecked("odata.plan.make.require_order"), ("test_a_skip_token_of_a_release_*",), may_break=True
    ),
    "a token is good for any collation": Switch(
        put("odata.payload.next_links.Links.binding", _of_any_collation), ("test_a_skip_token_is_worth_nothing*",)
    ),
    "a link may have any length": Switch(
        put("odata.payload.next_links.Links._fits", lambda *_: True),
        ("test_long_options_move*", "test_414_*", "test_next_links_near_the_limit*"),
    ),
    "nested next links lead nowhere": Switch(
        put("odata.sql.expand._next_link", lambda *_: constant('"x"')), ("test_nested_*",)
    ),
    "keys in links are not encoded": Switch(
        put("odata.sql.json._percent_encoded", lambda text: text),
        ("test_nested_next_links_by_key*", "test_every_odd_key_*"),
    ),
    "pages may have any number of bytes": Switch(
        put("odata.sql.rows._so_far", lambda _: number(0)), ("test_the_byte_limit_*",)
    ),
    "ties are broken in turns": Switch(put("odata.plan.orderby._until_unique", _ties_in_turns), ("test_total_order",)),
    "each page is planned anew": Switch(
        put("odata.pipeline.Reading.variant", property(lambda reading: (
            reading.principal.profile, reading.principal.sets, reading.format, reading.page))),
        ("test_pages_of_a_large_top_*",),
    ),
}  # fmt: skip
