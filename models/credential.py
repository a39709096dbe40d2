"""Credentials: a username and secret that name an org, a profile and what may be read or written.

Secrets are made here (192 bits), shown once and kept as argon2id hashes. During a rotation the previous secret stays
valid for a while. Whoever verifies requests caches outcomes elsewhere; here are rows and hashes only. Not in OData.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg.rows import tuple_row
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    select,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import ARRAY

from models.base import COLLATION, NEW_ID, NOW, SCHEMA, metadata, moment, one_of, record_id, string

PROFILES: Final = ("salesforce", "strict")
SCOPES: Final = ("read", "write")

credential = Table(
    "credential",
    metadata,
    Column("id", Uuid, nullable=False, server_default=NEW_ID),
    record_id("org_id", nullable=False),
    string("username", 80, nullable=False),
    string("profile", 20, nullable=False, default="strict"),
    string("scope", 10, nullable=False, default="read"),
    Column("sets", ARRAY(String(128, collation=COLLATION))),
    string("secret_hash", 255, nullable=False),
    string("secret_previous_hash", 255),
    moment("previous_valid_until"),
    moment("expires_at"),
    moment("revoked_at"),
    moment("created_at", nullable=False, default=NOW),
    moment("updated_at", nullable=False, default=NOW),
    PrimaryKeyConstraint("org_id", "id"),
    UniqueConstraint("username"),
    one_of("profile", *PROFILES),
    one_of("scope", *SCOPES),
    CheckConstraint(f"{SCHEMA}.is_record_id(org_id) AND left(org_id, 3) = '00D'", name="org_id"),
    CheckConstraint("username ~ '^[^:[:cntrl:]]+$'", name="username"),  # HTTP Basic ends the user at the first colon
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRow:
    """A credential as stored. sets: names of visible sets, None for all. Times carry a zone."""

    org_id: str
    username: str
    profile: str
    scope: str
    sets: tuple[str, ...] | None
    secret_hash: str
    secret_previous_hash: str | None
    previous_valid_until: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime

    def hashes(self, now: datetime) -> tuple[str, ...]:
        """The hashes that a secret may match at `now`: none once revoked or expired, two during a rotation."""
        if self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= now):
            return ()
        if self.secret_previous_hash and self.previous_valid_until and now < self.previous_valid_until:
            return (self.secret_hash, self.secret_previous_hash)
        return (self.secret_hash,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A secret as it is shown, once."""

    username: str
    secret: str


_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, type=Type.ID)
"""OWASP's profile of argon2id: 19 MiB, 2 passes, 1 lane; 16 ms."""


def hash_secret(secret: str) -> str:
    """argon2id hash in its text form, salt included; 19 MiB and 16 ms a call."""
    return _HASHER.hash(secret)


def verify_hash(secret_hash: str, secret: str) -> bool:
    """Whether a secret matches a hash; takes as long either way. A text that is no hash matches nothing."""
    try:
        return _HASHER.verify(secret_hash, secret)
    except (VerificationError, InvalidHashError):
        return False


def create(
    connection: Connection, *, org_id: str, profile: str = "strict", scope: str = "read",
    sets: tuple[str, ...] | None = None, expires_at: datetime | None = None, username: str | None = None,
    secret: str | None = None,
) -> Issued:  # fmt: skip
    """Add a credential; username and secret are made unless given (given ones are for demo data).

    Raises: sqlalchemy.exc.IntegrityError for a username that exists, an org id, profile or scope that is none.
    """
    issued = Issued(username=username or _new_username(org_id), secret=secret or _new_secret())
    connection.execute(
        credential.insert().values(
            org_id=org_id,
            username=issued.username,
            profile=profile,
            scope=scope,
            sets=None if sets is None else list(sets),
            expires_at=expires_at,
            secret_hash=hash_secret(issued.secret),
        )
    )
    return issued


def rotate(
    connection: Connection, username: str, *, overlap: timedelta = timedelta(hours=24), secret: str | None = None
) -> Issued:
    """Make a new secret; the present one stays valid for `overlap` more, one before it no longer.

    Raises: UnknownCredentialError when no live credential bears the username: an expired one stays expired.
    """
    issued = Issued(username=username, secret=secret or _new_secret())
    ends = credential.c.expires_at
    changed = connection.execute(
        credential.update()
        .where(credential.c.username == username, credential.c.revoked_at.is_(None))
        .where(ends.is_(None) | (ends > func.now()))
        .values(
            secret_hash=hash_secret(issued.secret),
            secret_previous_hash=credential.c.secret_hash,
            previous_valid_until=func.now() + overlap,
            updated_at=func.now(),
        )
    )
    if changed.rowcount != 1:
        raise UnknownCredentialError(username)
    return issued


def revoke(connection: Connection, username: str) -> None:
    """End a credential with both its secrets, at once.

    Raises: UnknownCredentialError when no live credential bears the username.
    """
    changed = connection.execute(
        credential.update()
        .where(credential.c.username == username, credential.c.revoked_at.is_(None))
        .values(revoked_at=func.now(), secret_previous_hash=None, previous_valid_until=None, updated_at=func.now())
    )
    if changed.rowcount != 1:
        raise UnknownCredentialError(username)


def listing(connection: Connection, org_id: str | None = None) -> tuple[CredentialRow, ...]:
    """Credentials of one org, or of all, oldest first."""
    query = select(*_columns()).order_by(credential.c.created_at, credential.c.username)
    if org_id is not None:
        query = query.where(credential.c.org_id == org_id)
    return tuple(_row(row) for row in connection.execute(query))


FIND: Final = (
    "SELECT org_id, username, profile, scope, sets, secret_hash, secret_previous_hash, previous_valid_until, "
    "expires_at, revoked_at, created_at FROM gateway.credential WHERE username = %s"
)
"""The look-up of a login. It has no org: the credential is what names it."""


def find(connection: Connection | psycopg.Connection[Any], username: str) -> CredentialRow | None:
    """The credential of a username, expired and revoked ones too (see CredentialRow.hashes), over either connection."""
    if "\x00" in username:  # no text of PostgreSQL holds it
        return None
    row: Any
    if isinstance(connection, Connection):
        row = connection.exec_driver_sql(FIND, (username,)).first()
    else:
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(FIND, (username,)).fetchone()
    return None if row is None else _row(row)


class UnknownCredentialError(LookupError):
    """No live credential bears the username."""

    def __init__(self, username: str) -> None:
        super().__init__(f"No credential '{username}', or it is revoked or expired.")
        self.username = username


def _columns() -> tuple[Column[Any], ...]:
    return tuple(credential.c[name] for name in CredentialRow.__dataclass_fields__)


def _row(row: Any) -> CredentialRow:
    values = dict(zip(CredentialRow.__dataclass_fields__, row, strict=True))
    values["sets"] = None if values["sets"] is None else tuple(values["sets"])
    return CredentialRow(**values)


def _new_username(org_id: str) -> str:
    """Such as odata-00d5g-x7k2p9qa: tells orgs apart when read by a person."""
    return f"odata-{org_id[:5].lower()}-{re.sub('[^a-z0-9]', '0', secrets.token_urlsafe(8).lower())}"


def _new_secret() -> str:
    return secrets.token_urlsafe(24)
