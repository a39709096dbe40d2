"""Switches of collations, enumerations, dates and orgs: what comparing means, and whose rows there are."""

from __future__ import annotations

from typing import Any

from odata.mapping import Mapping
from odata.plan.bound import Not
from odata.plan.filter import joined_filter
from odata.plan.values import CLASSIFIERS
from tests.conformance.switches.switch import Switch, both, entry, put, unchecked


def _of_any_org(mapping: Any, alias: Any, entity_set: Any) -> Any:
    exposed = entity_set.exposed
    known = next(iter(entity_set.key)).exposed.column
    return alias.c[exposed.deleted_column].is_(None) if exposed.deleted_column else alias.c[known].is_not(None)


def _contrary(options: Any, scope: Any) -> Any:
    found = joined_filter(options, scope)
    return None if found is None else Not(found)


SWITCHES: dict[str, Switch] = {
    "no collation is named": Switch(
        put("odata.service.Mapping", lambda model, collation: Mapping(model)),
        ("test_paging_by_strings_*", "test_order_and_comparison_*"),
    ),
    "a collation is always named": Switch(
        put("odata.service.Mapping", lambda model, collation: Mapping(model, collation or "C")),
        ("test_the_columns_own_collation_*",),
    ),
    "enumerations are texts": Switch(
        put("odata.sql.expressions._member_value", lambda member, type: member), ("test_enumerations_*",)
    ),
    "a filter means its contrary": Switch(
        put("odata.plan.make.joined_filter", _contrary), ("test_a_date_is_*", "test_lists_and_negations")
    ),
    "a point in time is its day": Switch(
        entry(CLASSIFIERS, "utc_midnight", lambda kind, text: True),
        (
            "test_a_date_is_*: eq, 2026-03-31T12*", "test_a_date_is_*: ne, 2026-03-31T12*", "test_lists_and_negations",
            "test_a_point_in_time_*: 2026-01-09T10*", "test_a_point_in_time_*: *000001Z, 404",
        ),
    ),
    "rows belong to everybody": Switch(
        both(put("odata.mapping.Mapping.predicate", _of_any_org), unchecked("odata.sql.select.require_org_predicates")),
        ("test_every_url_of_the_suite", "test_no_row_of_the_other_org", "test_root_sees_the_own_org_only"),
    ),
}  # fmt: skip
