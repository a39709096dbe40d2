"""Pricing: the tables of docs/pricing.md, computed; what is refused; what holds for any opportunity."""

from __future__ import annotations

import dataclasses
import decimal
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Numeric, String, insert, select

from models import database, pricing_errors, region_country
from models.currencies import CURRENCY_DECIMALS, amount_decimals
from models.discount_rule import DEFAULT_RATES, FIRST_DAY
from models.discounts import DiscountRule
from models.pricing import (
    LineToPrice,
    OpportunityToPrice,
    PricedQuote,
    PricingDefaults,
    check_entries,
    org_total,
    price,
    quote_name,
)
from models.pricing_errors import (
    AmountTooLarge,
    InactivePriceBookEntry,
    InvalidCurrency,
    InvalidDiscount,
    InvalidPrice,
    InvalidQuantity,
    LineOutsidePriceBook,
    NoLines,
    NoPriceBook,
    PricingError,
)  # fmt: skip
from models.quote import quote as quote_table
from models.quote_line import quote_line as quote_line_table

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pricing.md").read_text(encoding="utf-8")
BOOK = "01sbZ0000000001QAA"
DEFAULTS = PricingDefaults(region="other", currency="USD")
DAY = date(2026, 3, 31)
LARGEST = Decimal("9999999999999999.99")

Row = dict[str, str]


def tables(title: str) -> list[list[Row]]:
    """The tables of a section of the page, a dictionary a row."""
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, title
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", section[1], re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines())
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def named(row: Row) -> str:
    return "-".join(row.values())[:60]


def number(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def rules(rows: list[Row]) -> list[DiscountRule]:
    return [
        DiscountRule(
            row["region"], Decimal(row["percent"]), date.fromisoformat(row["from"]),
            date.fromisoformat(row["to"]) if row["to"] else None,
        )
        for row in rows
    ]  # fmt: skip


DEFAULT_RULES, FURTHER_RULES = map(rules, tables("The discount rules"))
RULES = [*DEFAULT_RULES, *FURTHER_RULES]


def line(unit_price: str | None = "100.00", quantity: str | None = "1", **more: Any) -> LineToPrice:
    given = {"line_item_id": "00kbZ0000000001QAA", "name": "Panel", "pricebook_entry_id": "01ubZ0000000001QAA"}
    return LineToPrice(**{
        **given, "pricebook_id": BOOK, "unit_price": unit_price and Decimal(unit_price),
        "quantity": quantity and Decimal(quantity), **more,
    })  # fmt: skip


def opportunity(*lines: LineToPrice, **more: Any) -> OpportunityToPrice:
    given = {"id": "006bZ0000000001QAA", "name": "Solar Park", "close_date": DAY, "pricebook_id": BOOK}
    return OpportunityToPrice(**{**given, "lines": lines or (line(),), **more})


def priced(*lines: LineToPrice, on: date = DAY, discount: str | None = None, **more: Any) -> PricedQuote:
    asked = None if discount is None else Decimal(discount)
    return price(opportunity(*lines, **more), RULES, on=on, defaults=DEFAULTS, discount_percent=asked)


def test_the_rules_of_a_new_org_are_those_of_the_page() -> None:
    first = date.fromisoformat(FIRST_DAY)
    assert [DiscountRule(region, Decimal(rate), first) for region, rate in DEFAULT_RATES] == DEFAULT_RULES


@pytest.mark.parametrize("row", tables("Which discount applies")[0], ids=named)
def test_which_discount(row: Row) -> None:
    found = price(
        opportunity(region_source=row["region field"] or None, discount_override=number(row["override"])),
        RULES, on=date.fromisoformat(row["priced on"]), defaults=DEFAULTS, discount_percent=number(row["asked"]),
    )  # fmt: skip
    assert (found.region, found.pricing_note) == (row["region"], row["pricing note"])
    assert found.discount_percent == found.lines[0].discount_percent == Decimal(row["percent"])


@pytest.mark.parametrize("row", tables("One line")[0], ids=named)
def test_one_line(row: Row) -> None:
    (found,) = priced(
        line(row["sales price"], row["quantity"]), currency=row["currency"], discount=row["discount"]
    ).lines
    assert (str(found.unit_price), str(found.total_price)) == (row["price of one"], row["line total"])


def test_a_whole_quote() -> None:
    lines, facts = tables("A whole quote")
    of_the_quote = {row["of the quote"]: row["is"] for row in facts}
    found = price(
        opportunity(
            *(line(row["sales price"], row["quantity"], name=row["product"], list_price=number(row["book price"]))
              for row in lines),
            close_date=date(2026, 2, 14), currency="EUR", region_source="Austria",
        ),
        RULES, on=date(2026, 1, 20), defaults=DEFAULTS, revision=2,
    )  # fmt: skip
    for got, row in zip(found.lines, lines, strict=True):
        assert got.name == row["product"]
        assert (str(got.list_price), str(got.unit_price)) == (row["sales price"], row["price of one"])
        assert str(got.total_price) == row["line total"]
    assert [got.line_number for got in found.lines] == [1, 2, 3, 4]
    assert {name: str(getattr(found, name.replace(" ", "_"))) for name in of_the_quote} == of_the_quote


@pytest.mark.parametrize("row", tables("Name and expiry")[0], ids=named)
def test_name_and_expiry(row: Row) -> None:
    found = price(
        opportunity(name=written_out(row["opportunity"]), close_date=date.fromisoformat(row["closes"])),
        RULES, on=DAY, defaults=DEFAULTS, revision=int(row["revision"]),
    )  # fmt: skip
    assert found.name == written_out(row["name"])
    assert str(found.expiration_date) == row["expires"]


def written_out(text: str) -> str:
    """ "300 x" is 300 times the letter."""
    return re.sub(r"(\d+) x", lambda match: "x" * int(match[1]), text)


@pytest.mark.parametrize("row", tables("In Salesforce")[0], ids=named)
def test_what_the_org_computes(row: Row) -> None:
    lines = [line(*each.split(" x ")) for each in row["prices of one and quantities"].split(", ")]
    found = priced(*lines, currency=row["currency"], discount="0")
    assert str(found.total_price) == row["total here"]
    assert total_in_org(found) == Decimal(row["total in the org"])


def total_in_org(found: PricedQuote) -> Decimal:
    return org_total((each.quantity, each.unit_price) for each in found.lines)


REFUSED: list[tuple[type[PricingError], OpportunityToPrice]] = [
    (NoLines, dataclasses.replace(opportunity(), lines=())),
    (NoPriceBook, opportunity(pricebook_id=None)),
    (LineOutsidePriceBook, opportunity(line(), line(pricebook_id="01sbZ0000000002QAA"))),
    (LineOutsidePriceBook, opportunity(line(), line(pricebook_id=None))),
    (LineOutsidePriceBook, opportunity(line(), line(pricebook_entry_id=None))),
    (InactivePriceBookEntry, opportunity(line(), line(entry_is_active=False))),
    (InvalidQuantity, opportunity(line(), line(quantity=None))),
    (InvalidQuantity, opportunity(line(), line(quantity="-0.01"))),
    (InvalidQuantity, opportunity(line(), line(quantity="0.125"))),
    (InvalidQuantity, opportunity(line(), line(quantity="1E-999999"))),
    (InvalidQuantity, opportunity(line(), line(quantity="10000000000"))),
    (InvalidQuantity, opportunity(line(), line(quantity="1E+999999"))),
    (InvalidQuantity, opportunity(line(), line(quantity="NaN"))),
    (InvalidPrice, opportunity(line(), line(None))),
    (InvalidPrice, opportunity(line(), line("-0.01"))),
    (InvalidPrice, opportunity(line(), line("Infinity"))),
    (InvalidPrice, opportunity(line(), line("sNaN"))),
    (InvalidDiscount, opportunity(discount_override=Decimal("-0.01"))),
    (InvalidDiscount, opportunity(discount_override=Decimal("100.01"))),
    (InvalidDiscount, opportunity(discount_override=Decimal("NaN"))),
    (InvalidCurrency, opportunity(currency="eur")),
    (InvalidCurrency, opportunity(currency="EURO")),
    (AmountTooLarge, opportunity(line(), line("10000000000000000"))),
    (AmountTooLarge, opportunity(line(), line("1E+999999"))),
    (AmountTooLarge, opportunity(line(), line(str(LARGEST)), currency="JPY")),
    (AmountTooLarge, opportunity(line(), line(str(LARGEST), "1.01"))),
    (AmountTooLarge, opportunity(line("0"), line("9999999999999999.99", "9999999999.99"))),
    (AmountTooLarge, opportunity(line(str(LARGEST)), line("0.01"))),
]


@pytest.mark.parametrize(("kind", "refused"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_priced(kind: type[PricingError], refused: OpportunityToPrice) -> None:
    with pytest.raises(kind) as caught:
        price(refused, RULES, on=DAY, defaults=DEFAULTS)
        check_entries(refused)
    assert (caught.value.code, caught.value.status) == (kind.__name__, 422)
    assert len(caught.value.message) <= 1000
    if caught.value.line_number:
        assert caught.value.line_number == 2 and caught.value.line_item_id == refused.lines[1].line_item_id
        assert caught.value.message.startswith("Line 2 (Panel): ")


def test_a_quote_that_is_made_is_priced_again_whatever_became_of_its_entries() -> None:
    assert priced(line(entry_is_active=False)) == priced(line())


@pytest.mark.parametrize("percent", ["-1", "101", "NaN", "1E+999999"])
def test_a_discount_that_cannot_be(percent: str) -> None:
    with pytest.raises(InvalidDiscount, match="asked for"):
        priced(discount=percent)


def test_every_error_is_on_the_page() -> None:
    kinds = {
        name for name, kind in vars(pricing_errors).items()
        if isinstance(kind, type) and issubclass(kind, PricingError) and kind is not PricingError
    }  # fmt: skip
    assert {row["code"].strip("`") for row in tables("What is not priced")[0]} == kinds
    assert {kind.__name__ for kind, _ in REFUSED} == kinds


def test_the_largest_amounts_fit() -> None:
    found = priced(line(str(LARGEST)), discount="0")
    assert found.total_price == found.subtotal == LARGEST
    assert priced(line("0.01", "9999999999.99"), discount="0").total_price == Decimal("100000000.00")


def test_an_org_of_one_currency() -> None:
    assert priced(currency=None).currency_iso_code == "USD"


def test_the_default_region_has_its_rule() -> None:
    found = price(opportunity(), RULES, on=DAY, defaults=PricingDefaults(region="emea", currency="USD"))
    assert (found.region, found.discount_percent) == ("EMEA", Decimal(15))
    assert found.pricing_note == "15 % off by the rule for EMEA, the default as no region is given."


def test_two_rules_of_a_region_and_the_later_wins_in_any_order() -> None:
    two = [DiscountRule("EMEA", Decimal(1), date(2026, 1, 1)), DiscountRule("emea", Decimal(2), date(2026, 2, 1))]
    for given_rules in (two, two[::-1]):
        found = price(opportunity(region_source="EMEA"), given_rules, on=DAY, defaults=DEFAULTS)
        assert found.discount_percent == 2


def test_a_currency_with_three_decimals_is_noted() -> None:
    assert priced(currency="KWD", region_source="EMEA").pricing_note == (
        "15 % off by the rule for EMEA; KWD amounts rounded to 2 decimals."
    )


def test_currencies_of_the_page() -> None:
    section = PAGE.partition("## One line")[2].partition("## A whole quote")[0]
    listed = set(re.findall(r"\b[A-Z]{3}\b", section.partition("**Half goes up**")[2])) & set(CURRENCY_DECIMALS)
    assert listed == set(CURRENCY_DECIMALS)
    assert [amount_decimals(code) for code in ("JPY", "EUR", "KWD", "CLF", "QQQ")] == [0, 2, 2, 2, 2]


def test_a_float_is_a_mistake() -> None:
    for wrong in (
        dataclasses.replace(line(), unit_price=19.99),  # type: ignore[arg-type]
        dataclasses.replace(line(), quantity=2.0),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match="amounts are Decimal"):
            priced(wrong)
    with pytest.raises(TypeError, match="amounts are Decimal"):
        priced(discount_override=12.5)


def test_pricing_a_priced_quote_again_starts_from_the_same_numbers() -> None:
    first = priced(line("19.995", "3"), line("7.77", "0.5"), region_source="Japan")
    again = (
        dataclasses.replace(line(), unit_price=each.list_price, quantity=each.quantity) for each in first.lines
    )  # fmt: skip
    second = priced(*again, region_source="Japan")
    assert (second.subtotal, second.total_price) == (first.subtotal, first.total_price)


def test_the_caller_s_arithmetic_does_not_matter() -> None:
    expected = priced(line("1299.99", "1234567.89"))
    with decimal.localcontext(decimal.Context(prec=2, rounding=decimal.ROUND_DOWN)):
        assert priced(line("1299.99", "1234567.89")) == expected


@pytest.mark.parametrize("spelt", ["US", "us", "U.S.", "Côte d’Ivoire", "cote divoire", "St. Lucia",
                                   "Trinidad & Tobago", "Việt Nam", "日本", "Korea, Republic of",
                                   " united   kingdom "])  # fmt: skip
def test_spellings_of_countries(spelt: str) -> None:
    assert region_country.country(spelt) is not None


def test_countries_are_those_of_the_standard() -> None:
    codes = {country.code for country in region_country.COUNTRIES.values()}
    assert len(codes) == 249 and all(re.fullmatch("[A-Z]{2}", code) for code in codes)
    assert {country.region for country in region_country.COUNTRIES.values()} == {"NAMER", "LATAM", "EMEA", "APAC"}
    assert region_country.country("?!") is None and region_country.country("") is None


def test_no_spelling_means_two_countries() -> None:
    seen: dict[str, str] = {}
    for spelt, country in region_country._spelled():
        assert seen.setdefault(spelt, country.code) == country.code


def test_what_a_quote_is_named_as_is_a_column() -> None:
    beside = {"decimals", "lines"}
    found = priced()
    assert {field.name for field in dataclasses.fields(found)} - beside <= set(quote_table.c.keys())
    assert {field.name for field in dataclasses.fields(found.lines[0])} <= set(quote_line_table.c.keys())


def test_a_quote_is_stored_as_it_is(seeded_url: str) -> None:
    found = priced(line("1299.00", "3"), line("2.19", "62.5"), region_source="Austria", currency="EUR", discount="12.5")
    org = {"org_id": "00DbZ0000000001UAA"}
    of_quote = {name: value for name, value in fields_of(found) if name in quote_table.c}
    of_lines = [dict(fields_of(each)) for each in found.lines]
    with database.engine(seeded_url).connect() as connection:  # never committed: others only read this database
        database.set_org(connection, org["org_id"])
        quote_id = connection.execute(
            insert(quote_table).values(org | of_quote).returning(quote_table.c.id)
        ).scalar_one()
        connection.execute(insert(quote_line_table), [org | {"quote_id": quote_id} | each for each in of_lines])
        stored = connection.execute(select(quote_table).where(quote_table.c.id == quote_id)).mappings().one()
        lines = connection.execute(
            select(quote_line_table)
            .where(quote_line_table.c.quote_id == quote_id)
            .order_by(quote_line_table.c.line_number)
        ).mappings()
        assert {name: stored[name] for name in of_quote} == of_quote
        assert [{name: row[name] for name in of_lines[0]} for row in lines] == of_lines


# What holds for any opportunity.

WORDS = st.text(max_size=300)
AMOUNTS = st.decimals(0, 10**9, places=4)
LINES = st.builds(
    lambda **values: dataclasses.replace(line(), **values),
    name=WORDS, product_code=st.none() | WORDS, unit_price=AMOUNTS, quantity=st.decimals(0, 10**6, places=2),
    list_price=st.none() | AMOUNTS,
)  # fmt: skip
PERCENTS = st.none() | st.decimals(0, 100, places=2)
SOURCES = st.none() | WORDS | st.sampled_from(["Japan", "DE", "EMEA", "other", "Mexico", "Atlantis"])
OPPORTUNITIES = st.builds(
    lambda lines, **more: opportunity(*lines, **more),
    st.lists(LINES, min_size=1, max_size=6), name=WORDS, account_name=st.none() | WORDS,
    close_date=st.dates(date(1700, 1, 1), date(4000, 12, 31)), region_source=SOURCES, discount_override=PERCENTS,
    currency=st.sampled_from(["USD", "EUR", "JPY", "KWD", None]),
)  # fmt: skip
GIVEN_RULES = st.lists(
    st.builds(DiscountRule, st.sampled_from(["EMEA", "APAC", "other", "DE", "x" * 40]), st.decimals(0, 100, places=2),
              st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.none()),
    max_size=5,
)  # fmt: skip


@given(OPPORTUNITIES, GIVEN_RULES, PERCENTS, st.integers(1, 10**6))
@settings(max_examples=150, deadline=None)
def test_any_quote(given_one: OpportunityToPrice, given_rules: list[DiscountRule], asked: Decimal | None,
                   revision: int) -> None:  # fmt: skip
    found = price(given_one, given_rules, on=DAY, defaults=DEFAULTS, revision=revision, discount_percent=asked)
    assert found == price(
        given_one, given_rules[::-1], on=DAY, defaults=DEFAULTS, revision=revision, discount_percent=asked
    )
    assert found.total_price == sum(each.total_price for each in found.lines)
    assert 0 <= found.total_price <= found.subtotal
    assert found.line_count == len(given_one.lines)
    assert found.expiration_date == given_one.close_date + timedelta(days=30)
    assert found.name.endswith(f" - {revision}")
    for each in found.lines:
        full = Fraction(each.list_price) * (100 - Fraction(found.discount_percent)) / 100
        assert Fraction(each.unit_price) == rounded(full, found.decimals)
        assert Fraction(each.total_price) == rounded(
            Fraction(each.unit_price) * Fraction(each.quantity), found.decimals
        )
    away = sum(Fraction(1, 2 * 10**found.decimals) for each in found.lines if each.quantity % 1)
    assert abs(Fraction(total_in_org(found)) - Fraction(found.total_price)) <= away
    assert_fits(found)


def rounded(exact: Fraction, decimals: int) -> Fraction:
    """Half up, by whole numbers: nothing here knows of Decimal's own rounding."""
    return Fraction((exact * 10**decimals + Fraction(1, 2)).__floor__(), 10**decimals)


def assert_fits(found: PricedQuote) -> None:
    """Every value goes into its column as it is, and none is a float."""
    for table, value in [(quote_table, found), *((quote_line_table, each) for each in found.lines)]:
        for field, held in fields_of(value):
            assert not isinstance(held, float)
            kind = table.c[field].type if field in table.c else None
            if isinstance(kind, String) and kind.length and held is not None:
                assert isinstance(held, str) and len(held) <= kind.length, field
            if isinstance(kind, Numeric):
                assert isinstance(held, Decimal) and held == round(held, kind.scale), field


def fields_of(value: Any) -> Iterator[tuple[str, object]]:
    for field in dataclasses.fields(value):
        yield field.name, getattr(value, field.name)


@given(WORDS, st.integers(1, 10**9))
def test_any_name(name: str, revision: int) -> None:
    assert len(quote_name(name, revision)) <= 255
