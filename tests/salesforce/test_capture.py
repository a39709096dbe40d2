"""ODATA_CAPTURE: what is written of a request, what never is, and requests sent again from what was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cli
from local import web
from local.replay import replay
from odata.protocol.capture import KEPT_REQUEST_HEADERS, Capture, Exchange, body_shape, differences, recorded
from tests.salesforce.adapter import Adapter, encoded_fully, encoded_plainly
from tests.salesforce.conftest import SECRET, SESSION_COMMAND
from tests.salesforce.truth import session_cases

CANARY = "Zanzibar-7261"


@dataclass(frozen=True, slots=True)
class Captured:
    """A service that captures. url: without the service's path."""

    url: str
    adapter: Adapter
    directory: Path

    def files(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted(self.directory.iterdir())]


@pytest.fixture
def captured(session_url: str, tmp_path: Path) -> Iterator[Captured]:
    directory = tmp_path / "made" / "capture"
    variables = {"ODATA_CAPTURE": str(directory)}
    with web.serving(session_url, tmp_path / "log", command=SESSION_COMMAND, variables=variables) as served:
        yield Captured(served.url, Adapter(served.service_root, "salesforce", SECRET), directory)


def test_head_and_shape(captured: Captured) -> None:
    query = (
        "Quotes?$top=2&$filter=status eq 'Open' and updated_at ge 2026-02-01T00:00:00Z&$count=true&$select=id,status"
    )
    captured.adapter.get(encoded_fully(query), {"User-Agent": "Jakarta Commons-HttpClient/3.1", "Prefer": "x"})
    (file,) = captured.files()
    assert file["request"]["method"] == "GET" and file["request"]["path"] == "/odata/v4/Quotes"
    assert file["request"]["query"] == encoded_fully(query).partition("?")[2]
    headers = file["request"]["headers"]
    assert headers["user-agent"].startswith("Jakarta") and headers["prefer"] == "x"
    assert headers["authorization"] == "<removed>" and headers["accept"] == "application/json"
    answer = file["answer"]
    assert answer["status"] == 200 and answer["bytes"] > 100 and answer["milliseconds"] > 0
    assert answer["headers"]["odata-version"] == "4.0"
    row = {"@odata.etag": "string", "id": "number", "status": "string"}
    assert answer["shape"] == {"@odata.context": "string", "@odata.count": "number", "value": [row]}


def test_a_tunnel_is_captured_as_it_came(captured: Captured) -> None:
    captured.adapter.send("POST", "Quotes(1)", {"X-HTTP-METHOD": "PATCH"}, b'{"status": "Won"}')
    (file,) = captured.files()
    assert file["request"]["method"] == "POST" and file["request"]["headers"]["x-http-method"] == "PATCH"
    assert file["answer"]["status"] == 405 and file["answer"]["shape"]["error"]["code"] == "string"


def test_no_secret_in_any_file(captured: Captured) -> None:
    hidden = {
        "Cookie": f"sid={CANARY}", "X-CSRF-Token": CANARY, "X-Api-Key": CANARY, "X-Forwarded-For": CANARY,
        "Proxy-Authorization": f"Bearer {CANARY}", "X-SFDC-Session": CANARY, "Referer": f"https://x/?t={CANARY}",
    }  # fmt: skip
    adapter = replace(captured.adapter, secret=CANARY)
    urls = (
        "Quotes?$top=1", f"Quotes?access_token={CANARY}&$top=1", f"Quotes?$top=1&{CANARY}", f"Quotes?{CANARY}=1",
        f"Quotes?$skiptoken={CANARY}", f"Quotes?$deltatoken={CANARY}", f"Quotes?%24skiptoken={CANARY}",
        f"Quotes?token={CANARY}", "Quotes(1)", "Quotes(4)/notes", "Quotes(4)/notes/$value", "$metadata", "",
    )  # fmt: skip
    for client in (captured.adapter, adapter):
        for url in urls:
            client.get(url, hidden)
            client.get(url, {**hidden, "Authorization": f"Bearer {CANARY}"})
    files = [file.read_text() for file in captured.directory.iterdir()]
    assert len(files) == 4 * len(urls)
    for text in files:
        assert CANARY not in text and captured.adapter.authorization not in text and SECRET not in text
        assert "macbook" not in text and "urgent" not in text
    assert all((file.stat().st_mode & 0o777) == 0o600 for file in captured.directory.iterdir())


def test_captured_requests_are_sent_again(captured: Captured, tmp_path: Path) -> None:
    for case in session_cases():
        if "{" not in case.url:
            captured.adapter.get(encoded_plainly(case.url), case.headers)
    captured.adapter.get(encoded_plainly("Quotes?$filter=nope eq 1"))
    captured.adapter.get("Quotes?$top=1", {"Authorization": ""})
    captured.adapter.send("DELETE", "Quotes(1)")
    link = captured.adapter.get("Quotes?$select=id").named("nextLink")
    captured.adapter.get(link)
    kept = captured.directory.rename(tmp_path / "kept")
    captured.directory.mkdir()
    replayed = list(replay(kept, captured.url, "salesforce", SECRET))
    assert len(replayed) > 40 and [one for one in replayed if one.lines] == []
    assert [one.left_out for one in replayed if one.left_out] == ["it may write", "a part of its URL was removed"]

    file = sorted(kept.iterdir())[0]
    file.write_text(file.read_text().replace('"status": 200', '"status": 404').replace('"amount"', '"gone"'))
    changed = next(iter(replay(kept, captured.url, "salesforce", SECRET)))
    assert changed.lines == ("status 404, now 200", "/value/gone: gone", "/value/amount: new")

    run = CliRunner().invoke(cli.main, ["replay", str(kept), captured.url, "--user", "salesforce"], input=SECRET + "\n")
    assert run.exit_code == 1 and "/value/gone: gone" in run.output and SECRET not in run.output
    assert "1 of" in run.output


def test_the_number_of_files_is_bounded(tmp_path: Path) -> None:
    write = Capture(tmp_path, most_files=3)
    for number in range(5):
        write(replace(EXCHANGE, request_id=f"request{number}"))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_directory_that_went_away_hurts_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write = Capture(tmp_path / "capture")
    (tmp_path / "capture").rmdir()
    write(EXCHANGE)
    assert "not captured" in caplog.text


EXCHANGE = Exchange(
    method="GET",
    target="http://someone:secret@host/odata/v4/Quotes?@p='a'&$filter=x%20eq%20@p&$Top=1&sig=abc&&x&$skiptoken=abc",
    headers={"x-csrf-token": "Fetch", "cookie": "a=b"},
    status=200,
    answer_headers=[("Set-Cookie", "a=b"), ("ETag", "x"), ("OData-Version", "4.0")],
    body=b'{"a": [{"b": null}, {"b": "x", "c": 1}], "d": [], "e": [[1], [true]], "f": [1, {}]}',
    milliseconds=1.23456,
    request_id="a request",
)


def test_what_is_not_known_to_be_harmless_is_removed() -> None:
    written = recorded(EXCHANGE)
    assert written["request"]["query"] == "@p='a'&$filter=x%20eq%20@p&$Top=1&<removed>&&<removed>&$skiptoken=<removed>"
    assert written["request"]["path"] == "/odata/v4/Quotes"
    assert written["request"]["headers"] == {"x-csrf-token": "Fetch", "cookie": "<removed>"}
    assert written["answer"]["headers"] == {
        "set-cookie": "<removed>", "etag": "<removed>", "odata-version": "4.0",
    }  # fmt: skip
    assert written["answer"]["shape"] == {
        "a": [{"b": "null|string", "c": "number"}], "d": [], "e": [["boolean|number"]], "f": ["number|structure"],
    }  # fmt: skip


def test_the_first_org_names_lines_that_a_file_has() -> None:
    """docs/first-org.md: what is to be looked at is what is written."""
    text = (Path(__file__).parents[2] / "docs" / "first-org.md").read_text(encoding="utf-8")
    written = recorded(EXCHANGE)
    named = re.findall(r"`(request|answer)\.(\w+)(?:\.([\w-]+))?`", text)
    assert len(named) > 40
    for part, member, header in named:
        assert member in written[part]
        if header:
            assert header in KEPT_REQUEST_HEADERS | {"x-csrf-token"}
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", text, re.M)] == list(range(1, 54))


def test_shapes_of_other_bodies() -> None:
    assert (body_shape(b""), body_shape(b"<x/>"), body_shape(b"17"), body_shape(b"\xff")) == (
        "", "text", "number", "text",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"value": [{"a": "null"}]}, {"value": [{"a": "string"}]}, []),
        ({"value": []}, {"value": [{"a": "string"}], "@odata.nextLink": "string"}, []),
        ({"value": [{"a": "null"}]}, {"value": [{"a": {"b": "string"}}]}, []),
        ({"value": [{"a": "number"}]}, {"value": [{"a": "string"}]}, ["/value/a: number, now string"]),
        ({"value": [{"a": ["number"]}]}, {"value": [{"a": "string"}]}, ["/value/a: another structure"]),
        ("text", {"error": {}}, ["body: another structure"]),
    ],
)
def test_differences(before: Any, after: Any, lines: list[str]) -> None:
    answers = [{"status": 200, "headers": {}, "shape": shape} for shape in (before, after)]
    assert differences(answers[0], answers[1]) == lines
