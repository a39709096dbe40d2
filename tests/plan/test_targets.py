"""An error names the option that it is about, so that an offset means something."""

from __future__ import annotations

import pytest

from models import exposure
from odata.edm.model import build
from odata.errors import ODataError
from odata.plan.make import make
from odata.url import parse

MODEL = build(exposure())


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("$filter=Regoin eq 'x'", "$filter"),
        ("$filter=LineCount eq '1'", "$filter"),
        ("$filter=contains(LineCount,'x')", "$filter"),
        ("$filter=Lines/Quantity gt 5", "$filter"),
        ("$orderby=Regoin", "$orderby"),
        ("$orderby=length(LineCount)", "$orderby"),
        ("$select=Regoin", "$select"),
        ("$expand=Regoin", "$expand"),
        ("$top=5&$expand=Lines($filter=Regoin eq 1)", "$filter"),
    ],
)
def test_an_error_of_an_option_names_it(query: str, target: str) -> None:
    with pytest.raises(ODataError) as refused:
        make(parse("Quotes", query), MODEL)

    assert refused.value.target == target
