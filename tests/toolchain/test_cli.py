"""`gateway credentials ...` as an operator types it, and what a login makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from cli import main
from local.web import Web, serving
from models.credential import find, verify_hash
from models.seed import ORGS
from tests.faults.test_web import get

Gateway = Callable[..., Result]
NEW_ORG = "00D5g000004AbCd"
NEW_ORG_ID = "00D5g000004AbCdEAK"


@pytest.fixture
def gateway(database_url: str) -> Gateway:
    """The command on a database of its own."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, words, env={"DATABASE_URL": database_url, "GATEWAY_SECRET": "s" * 32})

    return run


def made(result: Result) -> tuple[str, str]:
    """Username and secret as they were shown."""
    assert result.exit_code == 0, result.output
    username = re.search(r"^username (\S+)$", result.output, re.MULTILINE)
    secret = re.search(r"^secret   (\S+)$", result.output, re.MULTILINE)
    assert username and secret
    return username[1], secret[1]


def test_create_keeps_what_was_said(gateway: Gateway, database_url: str) -> None:
    result = gateway(
        "credentials", "create", "--org", ORGS[0], "--profile", "salesforce", "--scope", "write",
        "--sets", "Quotes, QuoteLines", "--expires", "2999-12-31",
    )  # fmt: skip
    username, secret = made(result)
    with psycopg.connect(database_url) as connection:
        row = find(connection, username)
    assert row is not None and verify_hash(row.secret_hash, secret)
    assert (row.org_id, row.profile, row.scope) == (ORGS[0], "salesforce", "write")
    assert row.sets == ("Quotes", "QuoteLines") and row.expires_at == datetime(2999, 12, 31, tzinfo=UTC)
    assert "default discount rules" not in result.output
    assert secret not in gateway("credentials", "list").output


def test_a_credential_that_has_ended_says_so(gateway: Gateway, database_url: str) -> None:
    username, _ = made(gateway("credentials", "create", "--org", ORGS[0]))
    with psycopg.connect(database_url) as connection:
        past = "UPDATE gateway.credential SET expires_at = '2026-01-01 00:00+00' WHERE username = %s"
        connection.execute(past, (username,))
    assert (
        f"{username}\t{ORGS[0]}\tstrict\tread\tall sets\texpired 2026-01-01\n" in gateway("credentials", "list").output
    )
    gateway("credentials", "revoke", username)
    assert f"{username}\t{ORGS[0]}\tstrict\tread\tall sets\trevoked\n" in gateway("credentials", "list").output


def test_a_new_org_of_15_characters_is_widened_and_gets_the_default_rules(gateway: Gateway, database_url: str) -> None:
    first = gateway("credentials", "create", "--org", NEW_ORG)
    username, _ = made(first)
    assert f"{NEW_ORG_ID} is new: it got 4 default discount rules" in first.output
    assert "is new" not in gateway("credentials", "create", "--org", NEW_ORG_ID).output
    with psycopg.connect(database_url) as connection:
        row = find(connection, username)
        assert row is not None and row.org_id == NEW_ORG_ID
        rules = connection.execute(
            "SELECT region, rate_percent::int FROM gateway.discount_rule WHERE org_id = %s", (NEW_ORG_ID,)
        ).fetchall()
    assert set(rules) == {("NAMER", 10), ("EMEA", 15), ("APAC", 8), ("other", 5)}
    listed = gateway("credentials", "list", "--org", NEW_ORG).output.splitlines()
    assert len(listed) == 2 and all(NEW_ORG_ID in line for line in listed)


YESTERDAY = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("create", "--org", "00D12"),
            "'00D12' is no organization id; it needs 15 or 18 characters",
        ),
        (("create", "--org", "0065g000004AbCd"), "'0065g000004AbCd' is no organization id"),
        (("create", "--org", NEW_ORG + "AAA"), "is no organization id: its last three characters"),
        (("create", "--org", NEW_ORG, "--sets", "Quotes,Quote"), "names no entity set 'Quote'; there are Quotes,"),
        (("create", "--org", NEW_ORG, "--expires", YESTERDAY), "is over already"),
        (("create", "--org", NEW_ORG, "--profile", "loose"), "'loose' is not one of 'salesforce', 'strict'"),
        (("rotate", "nobody"), "No credential 'nobody', or it is revoked or expired."),
        (("revoke", "nobody"), "No credential 'nobody', or it is revoked or expired."),
    ],
)
def test_what_is_wrong_is_one_line(gateway: Gateway, words: tuple[str, ...], line: str) -> None:
    result = gateway("credentials", *words)
    assert result.exit_code != 0
    assert line in result.output.splitlines()[-1] and "Traceback" not in result.output


def test_a_database_that_is_away_is_one_line() -> None:
    env = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    result = CliRunner().invoke(main, ["credentials", "list"], env=env)
    assert result.exit_code == 1 and result.output.startswith("Error: the database cannot be used: ")
    assert len(result.output.splitlines()) == 1


def test_rotation_and_revocation_as_a_caller_meets_them(gateway: Gateway, database_url: str, tmp_path: Path) -> None:
    """Two secrets are valid during a rotation; a revoked credential is refused by a process that never saw it."""
    username, first = made(gateway("credentials", "create", "--org", ORGS[0]))
    other, alone = made(gateway("credentials", "create", "--org", ORGS[0], "--sets", "Jobs"))
    with serving(database_url, tmp_path / "web") as web:
        _, second = made(gateway("credentials", "rotate", username))
        assert statuses(web, username, first, second, "wrong") == [200, 200, 401]
        _, third = made(gateway("credentials", "rotate", username, "--hours", "0"))
        assert get(web, login=f"{other}:{alone}").status == 404, "Quotes is none of its sets"
        assert get(web, "/odata/v4/Jobs?$top=1", f"{other}:{alone}").status == 200
    with serving(database_url, tmp_path / "second") as web:
        assert statuses(web, username, second, third) == [401, 200]
    assert gateway("credentials", "revoke", username).output == f"{username} is revoked\n"
    with serving(database_url, tmp_path / "third") as web:
        assert statuses(web, username, second, third) == [401, 401]
    assert "revoked" in next(line for line in gateway("credentials", "list").output.splitlines() if username in line)


def test_an_overlap_that_would_be_over_already_is_refused(gateway: Gateway, database_url: str) -> None:
    username, secret = made(gateway("credentials", "create", "--org", ORGS[0]))
    result = gateway("credentials", "rotate", username, "--hours", "-5")
    assert result.exit_code == 2 and "0<=x<=8760" in result.output
    with psycopg.connect(database_url) as connection:
        row = find(connection, username)
    assert row is not None and verify_hash(row.secret_hash, secret) and row.secret_previous_hash is None


def statuses(web: Web, username: str, *secrets: str) -> list[int]:
    return [get(web, login=f"{username}:{secret}").status for secret in secrets]


def test_doctor_says_what_is_well(gateway: Gateway) -> None:
    result = gateway("doctor")
    assert "ok     settings" in result.output and "Traceback" not in result.output
    assert all(line.startswith(("ok ", "WRONG ")) for line in result.output.splitlines())


def test_a_release_is_told_in_json_lines(gateway: Gateway) -> None:
    """Its output is a log on Heroku; a person at a terminal reads words."""
    done = gateway("migrate")
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert done.exit_code == 0 and all(line.keys() == {"at", "level", "logger", "message"} for line in lines)
    assert [line["message"].partition(";")[0] for line in (lines[0], lines[-1])] == [
        "migrating to heads", "schema is current",
    ]  # fmt: skip


def test_the_level_of_the_log_holds_for_a_release(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "warning")
    done = gateway("migrate")
    assert (done.exit_code, done.output) == (0, "")
