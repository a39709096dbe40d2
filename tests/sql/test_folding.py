"""Patterns in databases whose own collation folds letters by what stands beside them: an index never loses a row."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.sql import SQL, Composed

from local.servers import Server
from odata.mapping import Mapping
from odata.plan.limits import Profile
from odata.plan.values import TRANSFORMS
from tests.filtering import MODEL, Table
from tests.models import everything
from tests.models.everything import FIRST_ORG

TEXTS = (
    "ΟΔΥΣΣΕΥΣ ΑΣ", "ΑΣ ΑΣΑ", "İstanbul Işık", "DIYARBAKIR", "I\u0307stanbul", "Straße ẞ", "ǅ Ǆ", "back\\ slash",
    "50 % off_er", "tab\tand  two", "見積 書", "O'Neil B.V. 7",
)  # fmt: skip
FIRST = 20_000
MATCHING = SQL(
    "SELECT id FROM everything.thing WHERE tenant = %s AND id >= %s "
    """AND v_string COLLATE "default" {} %s ORDER BY id"""
)
WANTED: dict[Profile, Composed] = {"strict": MATCHING.format(SQL("LIKE")), "salesforce": MATCHING.format(SQL("ILIKE"))}


@pytest.fixture(scope="module", params=[None, "und", "tr"], ids=["libc", "icu", "icu of Turkey"])
def table(request: pytest.FixtureRequest, trigram_server: Server, worker: str) -> Iterator[Table]:
    with psycopg.connect(trigram_server.admin_url) as connection:
        if request.param and connection.info.server_version < 150_000:
            pytest.skip("a database's own collation is ICU's from PostgreSQL 15 on")
    database = trigram_server.new_database(f"{worker}_folding", template="template0", icu_locale=request.param)
    with database as url, psycopg.connect(url, autocommit=True) as connection:
        everything.create(connection)
        connection.cursor().executemany(
            "INSERT INTO everything.thing (tenant, id, name, v_string) VALUES (%s, %s, '', %s)",
            [(FIRST_ORG, FIRST + number, one) for number, one in enumerate(TEXTS)],
        )
        yield Table(connection, Mapping(MODEL))


def parts() -> list[str]:
    """Pieces of the texts, as they are and in other letters."""
    pieces = {text[start : start + size] for text in TEXTS for size in (1, 2, 4, 6) for start in range(len(text))}
    return sorted({form for piece in pieces for form in (piece, piece.upper(), piece.lower())})


@pytest.mark.parametrize("profile", ["strict", "salesforce"])
@pytest.mark.parametrize("function", ["contains", "startswith", "endswith"])
def test_what_is_found_is_what_like_finds(table: Table, function: str, profile: Profile) -> None:
    found_at_all = 0
    for part in parts():
        written = part.replace("'", "''")
        found = table.keys(f"$filter={function}(String,'{written}') and Id ge {FIRST}", profile=profile)
        pattern = TRANSFORMS[f"like_{function}"](part)
        wanted = table.connection.execute(WANTED[profile], (FIRST_ORG, FIRST, pattern)).fetchall()
        assert found == [row[0] for row in wanted], part
        found_at_all += len(found)
    assert found_at_all > len(TEXTS)
