"""sql.select: the fence of org predicates, one statement whatever is expanded, names longer than an identifier."""

from __future__ import annotations

from itertools import count

import pytest
from sqlalchemy import select as sql_select

from models import exposure
from odata.edm.model import build
from odata.mapping import Mapping
from odata.plan.bound import Variable
from odata.plan.make import make
from odata.sql.fence import FenceError, require_org_predicates
from odata.sql.rendition import Rendition
from odata.sql.select import select
from odata.sql.sources import Sources
from odata.url import parse
from tests.models import everything

MODEL = build(exposure())
MAPPING = Mapping(MODEL)
RENDITION = Rendition(root="https://gw.example/odata/v4/")


def sql(path: str, query: str) -> str:
    return select(make(parse(path, query), MODEL), MAPPING, RENDITION).sql


def test_a_table_without_its_org_predicate_does_not_compile() -> None:
    sources = Sources(MAPPING, Variable(0, MODEL.sets["Quotes"]), names=count())
    bare = sql_select(sources.root.c.id)

    with pytest.raises(FenceError, match="Quotes without its org predicate"):
        require_org_predicates(bare, MAPPING)
    require_org_predicates(bare.where(sources.predicate), MAPPING)


def test_the_predicate_of_one_table_does_not_cover_another() -> None:
    sources = Sources(MAPPING, Variable(0, MODEL.sets["Quotes"]), names=count())
    other = Sources(MAPPING, Variable(1, MODEL.sets["Jobs"]), names=count(1))
    joined = sql_select(sources.root.c.id, other.root.c.id).where(sources.predicate)

    with pytest.raises(FenceError, match="Jobs without its org predicate"):
        require_org_predicates(joined, MAPPING)


def test_a_predicate_that_need_not_hold_does_not_count() -> None:
    sources = Sources(MAPPING, Variable(0, MODEL.sets["Quotes"]), names=count())
    either = sql_select(sources.root.c.id).where(sources.predicate | sources.root.c.name.is_(None))

    with pytest.raises(FenceError, match="Quotes without its org predicate"):
        require_org_predicates(either, MAPPING)


def test_the_fence_looks_into_sub_selects() -> None:
    sources = Sources(MAPPING, Variable(0, MODEL.sets["Quotes"]), names=count())
    other = Sources(MAPPING, Variable(1, MODEL.sets["Jobs"]), names=count(1))
    inside = sql_select(sources.root.c.id).where(sources.predicate, sql_select(other.root.c.id).exists())

    with pytest.raises(FenceError, match="Jobs without its org predicate"):
        require_org_predicates(sql_select(inside.subquery().c.id), MAPPING)


@pytest.mark.parametrize(
    ("path", "query", "tables"),
    [
        ("Quotes", "", 1),
        ("Quotes", "$top=5", 1),
        ("Quotes", "$filter=Job/Status eq 'running'&$top=5", 2),
        ("Quotes", "$filter=Lines/any(l:l/Quantity gt 5)&$top=5", 2),
        ("Quotes", "$orderby=Lines/$count&$top=5", 2),
        ("Quotes", "$expand=Job&$top=5", 2),
        ("Quotes", "$expand=Lines($top=1;$select=Id)&$top=5", 2),
        ("Quotes", "$expand=Lines&$top=5", 2),
        ("Quotes(019ea414-14c1-7f1c-8ce8-c460953e6616)/Job/Items/$count", "", 5),
    ],
)
def test_every_reference_to_a_table_names_the_org(path: str, query: str, tables: int) -> None:
    text = sql(path, query)

    assert text.count("gateway.") == tables
    assert text.count("org_id = $") == tables


def test_a_literal_is_never_text_of_the_statement() -> None:
    text = sql(
        "Quotes", "$filter=Name eq 'sentinel' or contains(Name,'sentinel') or Revision eq 424242&$search=sentinel"
    )

    assert "sentinel" not in text and "424242" not in text


def test_a_name_longer_than_an_identifier_is_no_column_alias() -> None:
    model = build(everything.EXPOSURE)
    entity_set, name = next(
        (entry.name, item) for entry in model.sets.values() for item in entry.properties if len(item) == 128
    )
    text = select(make(parse(entity_set, f"$select={name}&$top=1"), model), Mapping(model), RENDITION).sql

    assert f'"{name}":' in text and f'AS "{name}"' not in text


@pytest.mark.parametrize(
    "query",
    [
        "$filter=null",
        "$filter=false",
        "$filter=Revision in (1.5)",
        "$filter=Lines/$count lt -INF&$count=true",
        "$filter=Lines/any(l:null)",
        "$filter=Lines/all(l:true)",
        "$filter=Lines/$count($filter=false) eq 0",
        "$filter=not (Lines/any(l:l/Quantity gt 1) and null)",
        "$expand=Lines($filter=false)",
    ],
)
def test_a_condition_that_is_never_true_keeps_the_org_predicate(query: str) -> None:
    assert sql("Quotes", query)
