"""The rules of profile salesforce beside those of the standard, which a credential of profile strict keeps."""

# ruff: noqa: S608, the SQL is written here

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from lxml import etree

from local import web
from tests.elements import attributes, first
from tests.salesforce.adapter import Adapter, Answer, encoded_as_form, encoded_plainly
from tests.salesforce.conftest import SECRET, SESSION_COMMAND, Mounted
from tests.salesforce.test_session import _pages

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def ids(adapter: Adapter, filter: str, *, entity_set: str = "Quotes", key: str = "id") -> list[object]:
    """Keys of the rows that a filter finds, in order of the key."""
    answer = adapter.get(encoded_plainly(f"{entity_set}?$filter={filter}&$select={key}&$orderby={key}&$top=2001"))
    assert answer.status == 200, answer.body[:300]
    return [entity[key] for entity in answer.json["value"]]


def truth(mounted: Mounted, where: str, *, table: str = "session.quotes") -> list[object]:
    """The same, asked in SQL."""
    rows = mounted.truth.connection.execute(f"SELECT id FROM {table} WHERE {where} ORDER BY id LIMIT 2001")
    return [row[0] if isinstance(row[0], int) else str(row[0]) for row in rows]


def refused(adapter: Adapter, filter: str, *, entity_set: str = "Quotes") -> bool:
    answer = adapter.get(encoded_plainly(f"{entity_set}?$filter={filter}&$top=1"))
    return answer.status == 400 and bool(answer.error)


# --- blank -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter", "blank", "strict"),
    [
        ("status eq null", "status IS NULL OR status = ''", "status IS NULL"),
        ("null eq status", "status IS NULL OR status = ''", "status IS NULL"),
        ("status ne null", "status <> ''", "status IS NOT NULL"),
        ("not (status eq null)", "status <> ''", "status IS NOT NULL"),
        ("status in ('Won',null)", "status IS NULL OR status IN ('', 'Won')", "status IS NULL OR status = 'Won'"),
        ("status eq 'Won' or status eq null", "coalesce(status, '') IN ('', 'Won')", "coalesce(status, 'Won') = 'Won'"),
        ("amount eq null", "amount IS NULL", "amount IS NULL"),
        ("valid_until eq null", "valid_until IS NULL", "valid_until IS NULL"),
        ("is_open eq null", "is_open IS NULL", "is_open IS NULL"),
        ("status ne 'Won'", "status IS DISTINCT FROM 'Won'", "status IS DISTINCT FROM 'Won'"),
    ],
)
def test_null_is_blank(session_service: Mounted, filter: str, blank: str, strict: str) -> None:
    assert ids(session_service.adapter, filter) == truth(session_service, blank)
    assert ids(session_service.strict, filter) == truth(session_service, strict)


# --- case ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter", "where"),
    [
        ("contains(quote_number,'sÖHNE')", "quote_number LIKE '%Söhne%'"),
        ("startswith(quote_number,'o''bRIEN & sÖ')", "quote_number LIKE 'O''Brien & Sö%'"),
        ("endswith(quote_number,'& SÖHNE') eq true", "quote_number LIKE '%& Söhne'"),
        ("indexof(quote_number,'SÖHNE') ne -1", "quote_number LIKE '%Söhne%'"),
        ("indexof(quote_number,'SÖHNE') eq 10", "quote_number LIKE '%Söhne'"),
        ("indexof(quote_number,'SÖHNE') ge 0", "quote_number LIKE '%Söhne%'"),
        ("contains(status,quote_number)", "strpos(lower(status), lower(quote_number)) > 0"),
        ("contains(quote_number,'(13-INCH, 2020, ポート)')", "id = 1"),
        ("contains(notes,'100%')", "false"),
        ("contains(quote_number,'q_[')", "false"),
    ],
)
def test_text_functions_ignore_case(session_service: Mounted, filter: str, where: str) -> None:
    assert ids(session_service.adapter, filter) == truth(session_service, where)


@pytest.mark.parametrize(
    "filter",
    ["contains(quote_number,'sÖHNE')", "startswith(quote_number,'o''b')", "endswith(quote_number,'SÖHNE')",
     "indexof(quote_number,'SÖHNE') ge 0"],
)  # fmt: skip
def test_strict_text_functions_heed_case(session_service: Mounted, filter: str) -> None:
    assert ids(session_service.strict, filter) == []


def test_equality_heeds_case(session_service: Mounted) -> None:
    assert ids(session_service.adapter, "status eq 'open'") == []


# --- keys and numbers as text ----------------------------------------------------------------------------------------

GUID_FILTERS = (
    "Id eq {quote}", "Id eq {QUOTE}", "Id eq '{quote}'", "Id eq '{QUOTE}'", "'{QUOTE}' eq Id", "Id in ('{QUOTE}')",
    "Id in ({quote},'{QUOTE}')", "Id eq '{quote}' or Id eq 'none of ours'", "contains(Id,'{QUOTE}') eq true",
    "startswith(Id,'{quote}')", "endswith(Id,'{QUOTE}')", "indexof(Id,'{QUOTE}') ne -1", "tolower(Id) eq '{quote}'",
    "not (Id ne '{quote}')",
)  # fmt: skip


@pytest.mark.parametrize("filter", GUID_FILTERS)
def test_guids_are_text_of_any_case(real_service: Mounted, filter: str) -> None:
    filled = real_service.truth.filled(filter)
    assert ids(real_service.adapter, filled, key="Id") == [real_service.truth.names["quote"]]


@pytest.mark.parametrize("key", ["{quote}", "{QUOTE}", "'{quote}'", "'{QUOTE}'", "Id='{QUOTE}'", "Id={quote}"])
def test_guids_are_text_of_any_case_in_keys(real_service: Mounted, key: str) -> None:
    answer = real_service.adapter.get(encoded_plainly(real_service.truth.filled(f"Quotes({key})?$select=Id")))
    assert answer.status == 200 and answer.json["Id"] == real_service.truth.names["quote"]


def test_a_text_that_is_no_guid_finds_nothing(real_service: Mounted) -> None:
    assert ids(real_service.adapter, "Id eq 'Q-1'", key="Id") == []
    assert ids(real_service.adapter, "Id in ('Q-1','')", key="Id") == []
    assert real_service.adapter.get("Quotes('Q-1')").error["code"] == "InvalidLiteral"


@pytest.mark.parametrize("filter", ["Id eq '{quote}'", "contains(Id,'1')", "Id in ('{quote}')"])
def test_strict_guids_are_guids(real_service: Mounted, filter: str) -> None:
    assert refused(real_service.strict, real_service.truth.filled(filter))
    assert real_service.strict.get(encoded_plainly(real_service.truth.filled("Quotes('{quote}')"))).status == 400


@pytest.mark.parametrize(
    ("filter", "where"),
    [
        ("id eq '7'", "id = 7"), ("id eq '7.0'", "id = 7"), ("'7' eq id", "id = 7"), ("id ge '2099'", "id >= 2099"),
        ("id in ('7',8,'9.0')", "id IN (7, 8, 9)"), ("id eq '7' or id eq '8'", "id IN (7, 8)"),
        ("id eq '7.5'", "false"), ("amount eq '12.75'", "amount = 12.75"), ("id ne '7'", "id <> 7"),
    ],
)  # fmt: skip
def test_numbers_as_text(session_service: Mounted, filter: str, where: str) -> None:
    assert ids(session_service.adapter, filter) == truth(session_service, where)
    assert refused(session_service.strict, filter)


def test_a_key_as_text(session_service: Mounted) -> None:
    assert session_service.adapter.get("Quotes('7')?$select=id").json["id"] == 7
    assert session_service.strict.get("Quotes('7')?$select=id").status == 400


@pytest.mark.parametrize(
    "filter",
    ["AccountId eq '{account15}'", "AccountId in ('{account15}')", "'{account15}' eq AccountId",
     "AccountId eq '{account15}' or AccountId eq '001000000000000'", "AccountId eq '{account}'"],
)  # fmt: skip
def test_record_ids_of_15_characters_are_widened(real_service: Mounted, filter: str) -> None:
    names = real_service.truth.names
    where = f"org_id = '{real_service.truth.org_id}' AND deleted_at IS NULL AND account_id = '{names['account']}'"
    wanted = truth(real_service, where, table="gateway.quote")
    filled = real_service.truth.filled(filter)
    assert wanted and ids(real_service.adapter, filled, key="Id") == wanted
    assert ids(real_service.strict, filled, key="Id") == wanted


def test_record_ids_heed_case(real_service: Mounted) -> None:
    """Two records of an org may differ by case only: the 18 characters are compared as they are."""
    swapped = real_service.truth.names["account"].swapcase()
    assert ids(real_service.adapter, f"AccountId eq '{swapped}'", key="Id") == []


# --- dates -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """Services that publish Date as one type. date_type: Edm.Date, Edm.DateTimeOffset or Edm.String."""

    date_type: str
    adapter: Adapter
    strict: Adapter


@pytest.fixture(scope="module", params=["Edm.Date", "Edm.DateTimeOffset", "Edm.String"])
def published(
    request: pytest.FixtureRequest, session_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    log = tmp_path_factory.mktemp("dates") / "log"
    variables = {"SALESFORCE_DATE_TYPE": request.param}
    with web.serving(session_url, log, command=SESSION_COMMAND, variables=variables) as served:
        root = served.service_root
        yield Published(request.param, Adapter(root, "salesforce", SECRET), Adapter(root, "strict", SECRET))


SUFFIX = {"Edm.Date": "", "Edm.DateTimeOffset": "T00:00:00+00:00", "Edm.String": ""}


def test_metadata_publishes_the_date_type(published: Published) -> None:
    declared = _declared(published.adapter)
    assert declared["Type"] == published.date_type
    assert _declared(published.strict)["Type"] == "Edm.Date"
    if published.date_type == "Edm.String":
        assert declared["MaxLength"] == "10"


def _declared(adapter: Adapter) -> dict[str, str]:
    document = etree.fromstring(adapter.get("$metadata", {"Accept": "application/xml"}).body)
    return attributes(first(document, f".//{EDM}EntityType[@Name='Quote']/{EDM}Property[@Name='valid_until']"))


def test_answers_hold_the_date_type(published: Published) -> None:
    suffix = SUFFIX[published.date_type]
    for url in ("Quotes?$select=valid_until&$top=30&$orderby=id", "Quotes?$top=30&$orderby=id"):
        lenient, strict = (_dates(adapter.get(url)) for adapter in (published.adapter, published.strict))
        assert lenient == [None if value is None else value + suffix for value in strict]
    for url in ("Quotes(1)/valid_until", "Quotes(1)?$select=valid_until"):
        found = published.adapter.get(url).json
        assert found.get("value", found.get("valid_until")) == "2026-03-31" + suffix
    assert published.adapter.get("Quotes(1)/valid_until/$value").body.decode() == "2026-03-31" + suffix
    full = {"Accept": "application/json;odata.metadata=full"}
    stated = published.adapter.get("Quotes(1)?$select=valid_until", full).json
    wanted = {"Edm.Date": "#Date", "Edm.DateTimeOffset": "#DateTimeOffset", "Edm.String": None}
    assert stated.get("valid_until@odata.type") == wanted[published.date_type]


def _dates(answer: Answer) -> list[str | None]:
    assert answer.status == 200, answer.body[:300]
    return [entity["valid_until"] for entity in answer.json["value"]]


@pytest.mark.parametrize("operator", ["eq", "ne", "lt", "le", "gt", "ge"])
@pytest.mark.parametrize(
    "literal",
    ["2026-03-31", "2026-03-31T00:00:00Z", "2026-03-31T00:00:00.000Z", "2026-03-31T00:00:00+00:00", "'2026-03-31'"],
)
def test_filters_take_the_date_in_every_form(published: Published, operator: str, literal: str) -> None:
    wanted = ids(published.strict, f"valid_until {operator} 2026-03-31")
    assert wanted and ids(published.adapter, f"valid_until {operator} {literal}") == wanted
    spaced = encoded_as_form(f"Quotes?$filter=valid_until {operator} {literal}&$select=id&$orderby=id&$top=2001")
    assert [entity["id"] for entity in published.adapter.get(spaced).json["value"]] == wanted


def test_filters_know_null_and_lists_of_dates(published: Published) -> None:
    assert ids(published.adapter, "valid_until eq null") == ids(published.strict, "valid_until eq null")
    assert ids(published.adapter, "valid_until ne null") == ids(published.strict, "valid_until ne null")
    wanted = ids(published.strict, "valid_until in (2026-03-31,2026-01-08)")
    assert ids(published.adapter, "valid_until in (2026-03-31,2026-01-08)") == wanted
    either = "valid_until eq 2026-03-31T00:00:00Z or valid_until eq 2026-01-08T00:00:00Z"
    assert ids(published.adapter, either) == wanted
    parts = "year(valid_until) eq 2026 and month(valid_until) eq 1"
    if published.date_type == "Edm.String":
        assert refused(published.adapter, parts)
    else:
        assert ids(published.adapter, parts) == ids(published.strict, parts)


def test_pages_in_the_order_of_the_date(published: Published) -> None:
    url = encoded_plainly("Quotes?$select=id&$orderby=valid_until desc")
    prefer = {"Prefer": "odata.maxpagesize=700"}
    lenient, strict = (
        [entity["id"] for page in _pages(adapter, url, prefer) for entity in page.json["value"]]
        for adapter in (published.adapter, published.strict)
    )
    assert lenient == strict and len(lenient) == 2100


def test_an_answer_of_one_form_is_a_filter_of_it(published: Published) -> None:
    """What was shown may come back as it was: Salesforce filters by the values it has read."""
    shown = published.adapter.get("Quotes(1)?$select=valid_until").json["valid_until"]
    literal = f"'{shown}'" if published.date_type == "Edm.String" else shown
    assert 1 in ids(published.adapter, f"valid_until eq {literal}")
