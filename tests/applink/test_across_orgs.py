"""What runs for no one org: under app.org_id = '*' only the statements that jobs.py lists, and each of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from applink import claims, intents, jobs, outbox
from applink.authorizations import Orgs
from models import database
from simulator.running import Simulator
from tests.applink.working import ended, new_ids, submit, working

LISTED = frozenset(
    re.findall(r"(?:claims|intents|jobs|outbox)\.[A-Z_]+", (jobs.__doc__ or "").partition("'*'")[2].partition(".\n")[0])
)
NAMES = {
    id(value): f"{module.__name__.rpartition('.')[2]}.{name}"
    for module in (jobs, intents, outbox, claims)  # the last that has it is its home
    for name, value in vars(module).items()
    if name.isupper()
}


@pytest.fixture
def seen(engine: Engine) -> set[str]:
    """The names of all statements that ran while the transaction named no org but '*'."""
    found: set[str] = set()

    def end(connection: Connection) -> None:
        connection.info["org"] = None

    def execute(connection: Connection, statement: Any, many: Any, given: dict[str, Any], options: Any) -> None:
        if statement is database._SET_ORG:
            connection.info["org"] = given["org_id"]
        elif connection.info.get("org") == claims.ANY_ORG:
            found.add(NAMES.get(id(statement), str(statement)))

    event.listen(engine, "commit", end)
    event.listen(engine, "rollback", end)
    event.listen(engine, "before_execute", execute)
    return found


def test_only_listed_statements_run_for_any_org(
    engine: Engine, orgs: Orgs, simulator: Simulator, seen: set[str]
) -> None:
    (org_id,) = orgs.known_orgs()
    job_id = submit(engine, org_id, new_ids(simulator, 2), callback_url=simulator.open_callback("ann")["url"])
    with engine.begin() as connection:
        held = claims.claim(connection, "w0", {org_id: 2})
        assert len(claims.renew(connection, held)) == claims.give_back(connection, held) == 2
    with engine.begin() as connection:
        jobs.prune(connection, jobs_days=1, intents_days=1, keys_days=1)
    with working(engine, orgs) as worker:
        ended(engine, org_id, job_id)
        for _, _, chore in worker.chores.all():
            chore()
    assert seen == LISTED
