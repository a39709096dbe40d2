"""Credentials: made, found, rotated, revoked; hashed as OWASP asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from models import credential, database

ORG = "00DbZ0000000001UAA"
NOW = datetime.now(UTC)


@pytest.fixture
def connection(seeded_url: str) -> Iterator[Connection]:
    own = database.engine(seeded_url)
    with own.connect() as connection:
        yield connection
    own.dispose()


def valid(connection: Connection, issued: credential.Issued, now: datetime = NOW) -> bool:
    row = credential.find(connection, issued.username)
    assert row is not None
    return any(credential.verify_hash(one, issued.secret) for one in row.hashes(now))


def test_created_and_found(connection: Connection) -> None:
    issued = credential.create(
        connection,
        org_id=ORG,
        profile="salesforce",
        scope="write",
        sets=("Quotes",),
        expires_at=NOW + timedelta(days=1),
    )
    row = credential.find(connection, issued.username)
    assert row is not None
    assert (row.org_id, row.profile, row.scope, row.sets) == (ORG, "salesforce", "write", ("Quotes",))
    assert valid(connection, issued)
    assert not valid(connection, issued, NOW + timedelta(days=2))
    assert len(issued.secret) >= 32 and issued.secret not in row.secret_hash
    assert row.secret_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert row in credential.listing(connection, ORG)


def test_defaults_are_the_least(connection: Connection) -> None:
    row = credential.find(connection, credential.create(connection, org_id=ORG).username)
    assert row is not None
    assert (row.profile, row.scope, row.sets, row.expires_at) == ("strict", "read", None, None)


def test_two_secrets_during_a_rotation(connection: Connection) -> None:
    first = credential.create(connection, org_id=ORG)
    second = credential.rotate(connection, first.username, overlap=timedelta(hours=1))
    assert valid(connection, first) and valid(connection, second)
    assert not valid(connection, first, NOW + timedelta(hours=2))
    third = credential.rotate(connection, first.username, overlap=timedelta(0))
    assert not valid(connection, first) and not valid(connection, second, NOW + timedelta(hours=1))
    assert valid(connection, third)


def test_revoked(connection: Connection) -> None:
    issued = credential.create(connection, org_id=ORG)
    credential.revoke(connection, issued.username)
    assert not valid(connection, issued)
    for act in (credential.revoke, credential.rotate):
        with pytest.raises(credential.UnknownCredentialError):
            act(connection, issued.username)


def test_expired(connection: Connection) -> None:
    """A new secret of it would open nothing."""
    issued = credential.create(connection, org_id=ORG, expires_at=NOW - timedelta(days=1))
    with pytest.raises(credential.UnknownCredentialError, match="expired"):
        credential.rotate(connection, issued.username)
    credential.revoke(connection, issued.username)


@pytest.mark.parametrize(
    "wrong",
    [
        {"org_id": "00DbZ0000000001"},
        {"org_id": "001D000000IqhSLIAZ"},
        {"profile": "lenient"},
        {"scope": "all"},
        {"username": "a:b"},
        {"username": "line\nbreak"},
    ],
)
def test_what_makes_no_sense_is_refused(connection: Connection, wrong: dict[str, str]) -> None:
    given: dict[str, Any] = {"org_id": ORG, **wrong}
    with pytest.raises(IntegrityError):
        credential.create(connection, **given)


@pytest.mark.parametrize("username", ["", "nobody", "n\x00ul", "'; --", "é", "x" * 10_000])
def test_no_such_username(connection: Connection, seeded_url: str, username: str) -> None:
    assert credential.find(connection, username) is None
    with psycopg.connect(seeded_url) as raw:
        assert credential.find(raw, username) is None


def test_found_over_psycopg(connection: Connection, seeded_url: str) -> None:
    issued = credential.create(connection, org_id=ORG)
    found = credential.find(connection, issued.username)
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    assert credential.find(raw, issued.username) == found


def test_a_text_that_is_no_hash_matches_nothing() -> None:
    assert not credential.verify_hash("", "secret")
    assert not credential.verify_hash("secret", "secret")
