"""Negotiation of format and version, and preferences: tables of what is asked and what is answered."""

from __future__ import annotations

import pytest

from odata.errors import InvalidHeader, InvalidOption, NotAcceptable, PreconditionFailed, UnsupportedMediaType
from odata.plan.limits import Profile
from odata.protocol.negotiate import Kind, error_format, negotiate, preferences, query_body

MINIMAL = "application/json;odata.metadata=minimal"
FULL = "application/json;odata.metadata=full"
NONE = "application/json;odata.metadata=none"
COMPATIBLE = f"{MINIMAL};IEEE754Compatible=true"

# Accept, Content-Type of the answer under 4.0
ACCEPTED = [
    (None, MINIMAL),
    ("", MINIMAL),
    ("*/*", MINIMAL),
    ("application/*", MINIMAL),
    ("application/json", MINIMAL),
    ("APPLICATION/JSON", MINIMAL),
    ("application/json;odata.metadata=full", FULL),
    ("application/json;metadata=full", FULL),
    ("application/json; odata.metadata = full", FULL),
    ('application/json;odata.metadata="full"', FULL),
    ("application/json;ODATA.Metadata=FULL", FULL),
    ("application/json;metadata=none;odata.metadata=full", NONE),
    ("application/json;odata.metadata=none", NONE),
    ("application/json;IEEE754Compatible=true", COMPATIBLE),
    ("application/json;ieee754compatible=TRUE", COMPATIBLE),
    ("application/json;IEEE754Compatible=false", MINIMAL),
    ("application/json;ExponentialDecimals=true", MINIMAL),
    ("application/json;odata.streaming=true", f"{MINIMAL};odata.streaming=true"),
    ("application/json;streaming=false", MINIMAL),
    ("application/json;charset=utf-8", f"{MINIMAL};charset=utf-8"),
    ("application/atom+xml,application/json;q=0.5", MINIMAL),
    ("application/json;q=0.5,application/json;odata.metadata=full;q=0.9", FULL),
    ("application/json;odata.metadata=full;q=0.5, */*;q=0.8", MINIMAL),
    ("*/*, application/json;odata.metadata=full", FULL),
    ("application/json, application/json;odata.metadata=none", NONE),
    ("application/json;odata.metadata=full;q=0, application/json", MINIMAL),
    ("application/json;custom=1, application/json;odata.metadata=none", NONE),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", MINIMAL),
    ("nonsense, application/json", MINIMAL),
    ("application/json;q=high", MINIMAL),
]

REFUSED = [
    "application/atom+xml",
    "application/xml",
    "text/html",
    "application/json;odata.metadata=verbose",
    "application/json;odata=verbose",
    "application/json;custom=1",
    "application/json;charset=utf-16",
    "application/json;q=0",
    "application/json;q=0, */*",
    "application/*;q=0, */*",
]


@pytest.mark.parametrize(("accept", "content_type"), ACCEPTED)
def test_accept(accept: str | None, content_type: str) -> None:
    headers = {} if accept is None else {"accept": accept}
    assert negotiate(headers, None, "json").content_type == content_type


@pytest.mark.parametrize("accept", REFUSED)
def test_accept_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable) as raised:
        negotiate({"accept": accept}, None, "json")
    assert "application/json" in raised.value.message
    assert raised.value.target == "Accept"


def test_an_accept_without_a_media_range_counts_as_absent() -> None:
    assert negotiate({"accept": "nonsense/"}, None, "json").content_type == MINIMAL


@pytest.mark.parametrize(
    ("accept", "profile", "content_type"),
    [
        ("application/json;custom=1", "salesforce", MINIMAL),
        ("application/json;odata=verbose", "salesforce", MINIMAL),
        ("application/json;custom=1;odata.metadata=full", "salesforce", FULL),
        ("application/json;custom=1, */*;q=0.1", "strict", MINIMAL),
    ],
)
def test_unknown_parameters(accept: str, profile: Profile, content_type: str) -> None:
    assert negotiate({"accept": accept}, None, "json", profile=profile).content_type == content_type


@pytest.mark.parametrize("profile", ["strict", "salesforce"])
@pytest.mark.parametrize("accept", ["application/atom+xml", "application/atom+xml;type=feed, application/atomsvc+xml"])
def test_atom_names_the_salesforce_setting(accept: str, profile: Profile) -> None:
    with pytest.raises(NotAcceptable, match="Format of the external data source"):
        negotiate({"accept": accept}, None, "json", profile=profile)


# OData-MaxVersion, OData-Version, version of the answer
VERSIONS = [
    (None, None, "4.0"),
    ("4.0", None, "4.0"),
    ("4.0", "4.0", "4.0"),
    ("4.01", None, "4.01"),
    ("4.01", "4.0", "4.01"),
    ("4.02", None, "4.01"),
    ("4.1", None, "4.01"),
    ("5.0", None, "4.01"),
    ("4.0;NetFx", None, "4.0"),
    (" 4.01 ", None, "4.01"),
    (None, "4.01", "4.0"),
]


@pytest.mark.parametrize(("max_version", "version", "answered"), VERSIONS)
def test_version(max_version: str | None, version: str | None, answered: str) -> None:
    stated = {"odata-maxversion": max_version, "odata-version": version}
    headers = {name: text for name, text in stated.items() if text is not None}
    assert negotiate(headers, None, "json").version == answered


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("odata-maxversion", "3.0"),
        ("odata-maxversion", "3.0;NetFx"),
        ("odata-maxversion", "four"),
        ("odata-maxversion", "4"),
        ("odata-maxversion", "4.0.1"),
        ("odata-version", "2.0"),
        ("odata-version", "5.0"),
        ("odata-version", "٤.٠"),
    ],
)
def test_version_refused(header: str, text: str) -> None:
    with pytest.raises(InvalidHeader, match=r"4\.0 and 4\.01") as raised:
        negotiate({header: text}, None, "json")
    assert raised.value.target is not None and raised.value.target.lower() == header


def test_a_4_01_answer_drops_the_prefix() -> None:
    headers = {"odata-maxversion": "4.01", "accept": "application/json;odata.metadata=full;IEEE754Compatible=true"}
    found = negotiate(headers, None, "json")
    assert found.content_type == "application/json;metadata=full;IEEE754Compatible=true"
    assert (found.metadata, found.ieee754, found.prefix) == ("full", True, "")


# $format, Accept, kind of resource, Content-Type
FORMAT_OPTIONS: list[tuple[str, str, Kind, str]] = [
    ("json", "application/xml", "json", MINIMAL),
    ("JSON", "application/json;odata.metadata=full", "json", MINIMAL),
    ("application/json", "", "json", MINIMAL),
    ("application/json;odata.metadata=full", "", "json", FULL),
    ("application/json;odata.metadata=full;IEEE754Compatible=true", "", "json", f"{FULL};IEEE754Compatible=true"),
    ("xml", "application/json", "metadata", "application/xml"),
    ("application/xml", "", "metadata", "application/xml"),
    ("text/plain", "", "value", "text/plain"),
]


@pytest.mark.parametrize(("option", "accept", "kind", "content_type"), FORMAT_OPTIONS)
def test_format_option_beats_accept(option: str, accept: str, kind: Kind, content_type: str) -> None:
    assert negotiate({"accept": accept}, option, kind).content_type == content_type


@pytest.mark.parametrize(
    ("option", "kind", "error"),
    [
        ("json;x", "json", InvalidOption),
        ("json;odata.metadata=full", "json", InvalidOption),
        ("", "json", InvalidOption),
        ("nonsense", "json", InvalidOption),
        ("*/*", "json", InvalidOption),
        ("json", "count", InvalidOption),
        ("application/json;custom=1", "json", NotAcceptable),
        ("application/json;odata.metadata=verbose", "json", NotAcceptable),
        ("xml", "json", NotAcceptable),
        ("atom", "json", NotAcceptable),
        ("application/atom xml", "json", NotAcceptable),
        ("json", "metadata", NotAcceptable),
        ("json", "value", NotAcceptable),
    ],
)
@pytest.mark.parametrize("profile", ["strict", "salesforce"])
def test_format_option_refused(option: str, kind: Kind, error: type[Exception], profile: Profile) -> None:
    with pytest.raises(error) as raised:
        negotiate({"accept": "*/*"}, option, kind, profile=profile)
    assert getattr(raised.value, "target", None) == "$format"


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/xml",
        "text/xml",
        "application/xml;charset=utf-8",
        "application/json, application/xml;q=0.1",
    ],
)
def test_metadata_is_xml(accept: str) -> None:
    found = negotiate({"accept": accept, "odata-maxversion": "4.01"}, None, "metadata")
    assert (found.content_type, found.version) == ("application/xml", "4.01")


@pytest.mark.parametrize("accept", ["application/json", "application/xml;q=0, */*", "text/html"])
def test_metadata_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="application/xml"):
        negotiate({"accept": accept}, None, "metadata")


@pytest.mark.parametrize(
    ("kind", "accept", "content_type"),
    [
        ("count", "application/json", "text/plain"),
        ("count", "text/plain;charset=utf-8", "text/plain;charset=utf-8"),
        ("value", "application/json;odata.metadata=full", "text/plain"),
        ("value", "", "text/plain"),
        ("binary", "application/json", "application/octet-stream"),
    ],
)
def test_raw_values(kind: Kind, accept: str, content_type: str) -> None:
    assert negotiate({"accept": accept}, None, kind).content_type == content_type


def test_snapshot_isolation_is_refused() -> None:
    for header in ("isolation", "odata-isolation"):
        with pytest.raises(PreconditionFailed):
            negotiate({header: "snapshot"}, None, "json")


def test_long_headers_are_negotiated_but_not_kept() -> None:
    accept = ", ".join(f"text/x-{number}" for number in range(2000)) + ", application/json;odata.metadata=full"
    assert negotiate({"accept": accept}, None, "json").content_type == FULL
    with pytest.raises(NotAcceptable) as raised:
        negotiate({"accept": "text/" + "x" * 5000}, None, "json")
    assert len(raised.value.message) < 500


def test_error_format_never_fails() -> None:
    assert error_format({"odata-maxversion": "4.01"}).version == "4.01"
    assert error_format({"odata-maxversion": "3.0", "accept": "text/html"}).content_type == MINIMAL


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("text/plain", "text/plain"),
        ("text/plain; charset=UTF-8", "text/plain"),
        ("Application/X-WWW-Form-Urlencoded", "application/x-www-form-urlencoded"),
    ],
)
def test_query_body(content_type: str, found: str) -> None:
    assert query_body({"content-type": content_type}) == found


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain;charset=utf-16", "text/html", "*/*"])
def test_query_body_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="text/plain"):
        query_body({"content-type": content_type})


# Prefer, rows of a page, Preference-Applied
PAGE_ROWS = [
    (None, None, None),
    ("", None, None),
    ("odata.maxpagesize=5", 5, "odata.maxpagesize=5"),
    ("maxpagesize=5", 5, "maxpagesize=5"),
    ("Maxpagesize = 5", 5, "maxpagesize=5"),
    ('maxpagesize="5"', 5, "maxpagesize=5"),
    ("maxpagesize=5;strict", 5, "maxpagesize=5"),
    ("odata.maxpagesize=5, maxpagesize=7", 7, "maxpagesize=7"),
    ("maxpagesize=7,odata.maxpagesize=5", 7, "maxpagesize=7"),
    ("maxpagesize=5,maxpagesize=7", 5, "maxpagesize=5"),
    ("maxpagesize=junk,odata.maxpagesize=5", 5, "odata.maxpagesize=5"),
    ("return=minimal, odata.maxpagesize=5", 5, "odata.maxpagesize=5"),
    ('odata.include-annotations="a,maxpagesize=3"', None, None),
    ("maxpagesize=0", None, None),
    ("maxpagesize=-1", None, None),
    ("maxpagesize=1.5", None, None),
    ("maxpagesize", None, None),
    ("maxpagesize=", None, None),
    ("maxpagesize=1000000000", 2000, "maxpagesize=2000"),
    (f"maxpagesize={'9' * 6000}", 2000, "maxpagesize=2000"),
    ("maxpagesize=0005", None, None),
    ("maxpagesize=²", None, None),
    ("omit-values=nulls, respond-async, odata.track-changes, wait=10", None, None),
    (";;=,,=;", None, None),
]


@pytest.mark.parametrize(("prefer", "rows", "applied"), PAGE_ROWS)
def test_page_size(prefer: str | None, rows: int | None, applied: str | None) -> None:
    found, header = preferences({} if prefer is None else {"prefer": prefer}, page_rows=2000)
    assert (found.max_page_size, header) == (rows, applied)


@pytest.mark.parametrize(
    ("prefer", "returns", "annotations"),
    [
        ("return=minimal", "minimal", None),
        ("return=representation", "representation", None),
        ("return=minimal, return=representation", "minimal", None),
        ("return=everything", None, None),
        ('odata.include-annotations="*"', None, "*"),
        ('include-annotations="a.*,-b.*", odata.include-annotations="*"', None, "a.*,-b.*"),
    ],
)
def test_further_preferences(prefer: str, returns: str | None, annotations: str | None) -> None:
    found, _ = preferences({"prefer": prefer}, page_rows=2000)
    assert (found.return_content, found.include_annotations) == (returns, annotations)
