"""What the tables promise whoever writes: orgs kept apart, versions raised, record ids checked, the audit unchanged."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

FIRST = "00DbZ0000000001UAA"
SECOND = "00DxY0000000002UAA"
OPPORTUNITY = "006bZ0000000001QAA"


@pytest.fixture
def connection(seeded_url: str) -> Iterator[psycopg.Connection]:
    """A transaction that is taken back: the database is shared by tests that only read."""
    with psycopg.connect(seeded_url) as connection:
        yield connection
        connection.rollback()


def act_as(connection: psycopg.Connection, org: str) -> None:
    connection.execute("SELECT set_config('app.org_id', %s, true)", (org,))


def add_quote(connection: psycopg.Connection, org: str = FIRST, opportunity: str = OPPORTUNITY) -> str:
    row = connection.execute(
        "INSERT INTO gateway.quote (org_id, name, opportunity_id) VALUES (%s, 'new', %s) RETURNING id",
        (org, opportunity),
    ).fetchone()
    assert row is not None
    return str(row[0])


WRITES = (
    "INSERT INTO gateway.quote (org_id, name, opportunity_id) VALUES ('00DbZ0000000001UAA', 'x', '006bZ0000000001QAA')",
    "UPDATE gateway.quote SET name = 'x' WHERE org_id = '00DbZ0000000001UAA'",
    "DELETE FROM gateway.quote_line WHERE org_id = '00DbZ0000000001UAA'",
    "UPDATE gateway.discount_rule SET rate_percent = 1 WHERE org_id = '00DbZ0000000001UAA'",
    "UPDATE gateway.job SET message = 'x' WHERE org_id = '00DbZ0000000001UAA'",
    "DELETE FROM gateway.job_item WHERE org_id = '00DbZ0000000001UAA'",
    "DELETE FROM gateway.quote_event WHERE org_id = '00DbZ0000000001UAA'",
)


@pytest.mark.parametrize("statement", WRITES)
@pytest.mark.parametrize("org", [None, "", SECOND, "00dbz0000000001uaa"])
def test_a_row_of_another_org_is_not_written(connection: psycopg.Connection, statement: str, org: str | None) -> None:
    if org is not None:
        act_as(connection, org)
    with pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("statement", WRITES)
def test_a_row_of_the_named_org_is_written(connection: psycopg.Connection, statement: str) -> None:
    act_as(connection, FIRST)
    assert connection.execute(statement).rowcount > 0


def test_no_row_moves_to_another_org(connection: psycopg.Connection) -> None:
    for org in (FIRST, SECOND, "*"):
        with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
            act_as(connection, org)
            connection.execute("UPDATE gateway.job_item SET org_id = %s WHERE org_id = %s", (SECOND, FIRST))


def test_the_queue_may_look_across_orgs_and_nothing_else(connection: psycopg.Connection) -> None:
    act_as(connection, "*")
    assert connection.execute("UPDATE gateway.job_item SET lease_no = lease_no + 1").rowcount > 0
    with pytest.raises(errors.InsufficientPrivilege):
        connection.execute("UPDATE gateway.quote SET name = 'x'")


def test_the_org_does_not_outlive_the_transaction(connection: psycopg.Connection) -> None:
    act_as(connection, FIRST)
    connection.rollback()
    with pytest.raises(errors.InsufficientPrivilege):
        add_quote(connection)


def test_a_line_belongs_to_a_quote_of_its_own_org(connection: psycopg.Connection) -> None:
    act_as(connection, FIRST)
    quote = add_quote(connection)
    act_as(connection, SECOND)
    with pytest.raises(errors.ForeignKeyViolation):
        connection.execute(
            "INSERT INTO gateway.quote_line (org_id, quote_id, line_number, name) VALUES (%s, %s, 1, 'x')",
            (SECOND, quote),
        )


def test_a_change_raises_version_and_time(connection: psycopg.Connection) -> None:
    act_as(connection, FIRST)
    quote = add_quote(connection)
    look = "SELECT row_version, updated_at >= created_at, created_at FROM gateway.quote WHERE id = %s"
    before = connection.execute(look, (quote,)).fetchone()
    connection.execute("UPDATE gateway.quote SET name = 'newer', row_version = 99 WHERE id = %s", (quote,))
    after = connection.execute(look, (quote,)).fetchone()
    assert before is not None and after is not None
    assert (before[0], after[0]) == (1, 2)
    assert after[1:] == before[1:]


@pytest.mark.parametrize(
    ("record_id", "fits"),
    [
        ("006bZ0000000001QAA", True),
        ("001D000000IqhSLIAZ", True),
        ("001D000000IqhSLIAA", False),
        ("001d000000iqhsliaz", False),
        ("001D000000IqhSL", False),
        ("001D000000IqhSLIAZ ", False),
        ("001D00000-IqhSLIAZ", False),
        ("001D00000\\IqhSLIAZ", False),
        ("001D000000IqhSLIé5", False),
        ("", False),
    ],
)
def test_record_ids(connection: psycopg.Connection, record_id: str, fits: bool) -> None:
    row = connection.execute("SELECT gateway.is_record_id(%s)", (record_id,)).fetchone()
    assert row == (fits,)


def test_a_mangled_record_id_is_refused(connection: psycopg.Connection) -> None:
    act_as(connection, FIRST)
    with pytest.raises(errors.CheckViolation):
        add_quote(connection, opportunity="006bZ0000000001AAA")


def test_ids_are_ordered_by_time(connection: psycopg.Connection) -> None:
    made = [connection.execute("SELECT gateway.uuid_v7()").fetchone() for _ in range(50)]
    ids = [row[0] for row in made if row is not None]
    assert all(value.version == 7 and value.variant == "specified in RFC 4122" for value in ids)
    moments = [value.int >> 80 for value in ids]
    assert moments == sorted(moments)
    assert len(set(ids)) == 50


def test_the_audit_is_never_changed(connection: psycopg.Connection) -> None:
    act_as(connection, FIRST)
    with pytest.raises(errors.InsufficientPrivilege):
        connection.execute("UPDATE gateway.quote_event SET name = 'x' WHERE org_id = %s", (FIRST,))


def test_numbers_are_unique_within_an_org_only(connection: psycopg.Connection) -> None:
    for org in (FIRST, SECOND):
        act_as(connection, org)
        connection.execute(
            "UPDATE gateway.quote SET quote_number = 'twin' WHERE id = %s", (add_quote(connection, org),)
        )
    with pytest.raises(errors.UniqueViolation):
        connection.execute(
            "UPDATE gateway.quote SET quote_number = 'twin' WHERE id = %s", (add_quote(connection, SECOND),)
        )


def test_job_names(connection: psycopg.Connection) -> None:
    rows = [connection.execute("SELECT gateway.next_job_name('createQuotes', 200)").fetchone() for _ in range(2)]
    first, second = (str(row[0]) for row in rows if row is not None)
    assert first.startswith("J-0000") and first.endswith(" createQuotes 200") and first < second
    connection.execute("SELECT setval('gateway.job_number', 9999999)")
    assert connection.execute("SELECT gateway.next_job_name('x', 1)").fetchone() == ("J-10000000 x 1",)


def test_totals_are_those_of_the_quotes(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        """SELECT org_id, sum(quote_count), sum(grand_total), count(*) = count(DISTINCT total_key)
           FROM gateway.quote_total GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    expected = connection.execute(
        """SELECT org_id, count(*), sum(grand_total), true
           FROM gateway.quote WHERE deleted_at IS NULL GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    assert rows == expected
