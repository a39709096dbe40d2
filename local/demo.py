"""Demo data, and the two credentials that exist only in the embedded database."""

from __future__ import annotations

from collections.abc import Callable

from models import database
from models import seed as models_seed
from models.credential import create, find

CREDENTIALS = (("demo", "demo", "strict"), ("salesforce", "salesforce", "salesforce"))
"""Username, secret, profile. Never made in a database that DATABASE_URL names."""


def is_empty(url: str) -> bool:
    """Whether there is no quote yet."""
    with database.engine(url).connect() as connection:
        return models_seed.is_empty(connection)


def seed(url: str, *, quotes: int, progress: Callable[[str], None]) -> None:
    """Fill the database with `quotes` quotes and what belongs to them."""
    models_seed.seed(url, quotes=quotes, progress=progress)


def ensure_credentials(url: str) -> None:
    """Make demo/demo and salesforce/salesforce for the first demo org, unless they are there."""
    with database.engine(url).begin() as connection:
        for username, secret, profile in CREDENTIALS:
            if find(connection, username) is None:
                create(
                    connection,
                    org_id=models_seed.ORGS[0],
                    username=username,
                    secret=secret,
                    profile=profile,
                    scope="write",
                )
