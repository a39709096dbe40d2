"""Context URLs in both versions. The titles of the standard's examples stand beside the rows."""

from __future__ import annotations

import pytest

from odata.payload.context_urls import (
    Expansion,
    Shape,
    context_url,
    metadata_url,
    property_url,
    reference_url,
    references_url,
    type_url,
)

ROOT = "http://host/service/"
LINES = Shape("QuoteLines")
NAMES = Shape("QuoteLines", ("Name",))
STAFF = Shape("Employees", ("FirstName", "LastName"))

# Shape, fragment in 4.0, fragment in 4.01
SHAPES = [
    (Shape("Quotes"), "Quotes", "Quotes"),
    (Shape("Quotes", ("Id", "Name")), "Quotes(Id,Name)", "Quotes(Id,Name)"),
    (Shape("Quotes", ("*",)), "Quotes(*)", "Quotes(*)"),
    (Shape("Quotes", ("Name", "Lines")), "Quotes(Name,Lines)", "Quotes(Name,Lines)"),
    # $expand=Lines: 4.0 says nothing, 4.01 empty parentheses
    (Shape("Quotes", None, (Expansion("Lines", LINES),)), "Quotes", "Quotes(Lines())"),
    # $select=Name&$expand=Lines
    (Shape("Quotes", ("Name",), (Expansion("Lines", LINES),)), "Quotes(Name)", "Quotes(Name,Lines())"),
    # $select=Lines&$expand=Lines: still present without suffix
    (Shape("Quotes", ("Lines",), (Expansion("Lines", LINES),)), "Quotes(Lines)", "Quotes(Lines,Lines())"),
    # $select=Id,Name&$expand=Lines($select=Name)
    (
        Shape("Quotes", ("Id", "Name"), (Expansion("Lines", NAMES),)),
        "Quotes(Id,Name,Lines(Name))",
        "Quotes(Id,Name,Lines(Name))",
    ),
    (Shape("Quotes", None, (Expansion("Lines", NAMES),)), "Quotes(Lines(Name))", "Quotes(Lines(Name))"),
    # $expand=Lines($expand=Quote($select=Id))
    (
        Shape("Quotes", None, (Expansion("Lines", Shape("QuoteLines", None, (Expansion("Quote", STAFF),))),)),
        "Quotes(Lines(Quote(FirstName,LastName)))",
        "Quotes(Lines(Quote(FirstName,LastName)))",
    ),
    # $expand=Lines($expand=Quote)
    (
        Shape("Quotes", None, (Expansion("Lines", Shape("QuoteLines", None, (Expansion("Quote", LINES),))),)),
        "Quotes(Lines())",
        "Quotes(Lines(Quote()))",
    ),
    # "expand with $levels"
    (
        Shape("Employees", ("DirectReports",), (Expansion("DirectReports", STAFF, recursive=True),)),
        "Employees(DirectReports,DirectReports+(FirstName,LastName))",
        "Employees(DirectReports,DirectReports+(FirstName,LastName))",
    ),
    (
        Shape("Employees", None, (Expansion("DirectReports", Shape("Employees"), recursive=True),)),
        "Employees",
        "Employees(DirectReports+())",
    ),
    # "expand $ref": expanded references are not represented
    (Shape("Quotes", None, (Expansion("Lines", LINES, reference=True),)), "Quotes", "Quotes"),
    (
        Shape("Quotes", ("Name",), (Expansion("Lines", LINES, reference=True), Expansion("Job", NAMES))),
        "Quotes(Name,Job(Name))",
        "Quotes(Name,Job(Name))",
    ),
]


@pytest.mark.parametrize(("shape", "four", "four_one"), SHAPES, ids=[row[2] for row in SHAPES])
def test_entities(shape: Shape, four: str, four_one: str) -> None:
    assert context_url(ROOT, shape, version="4.0") == f"http://host/service/$metadata#{four}"
    assert context_url(ROOT, shape, version="4.01") == f"http://host/service/$metadata#{four_one}"
    assert context_url(ROOT, shape, version="4.0", entity=True) == f"http://host/service/$metadata#{four}/$entity"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (metadata_url(ROOT), "http://host/service/$metadata"),
        (metadata_url("http://host/service"), "http://host/service/$metadata"),
        (references_url(ROOT), "http://host/service/$metadata#Collection($ref)"),
        (reference_url(ROOT), "http://host/service/$metadata#$ref"),
        (property_url(ROOT, "Quotes(7)", "Status"), "http://host/service/$metadata#Quotes(7)/Status"),
        (property_url(ROOT, "Quotes('Ä/1')", "Status"), "http://host/service/$metadata#Quotes('Ä/1')/Status"),
        (type_url(ROOT, "Edm.String"), "http://host/service/$metadata#Edm.String"),
        (type_url(ROOT, "Edm.String", collection=True), "http://host/service/$metadata#Collection(Edm.String)"),
    ],
)
def test_other_resources(url: str, expected: str) -> None:
    assert url == expected
