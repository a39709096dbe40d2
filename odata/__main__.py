"""`python -m odata`: the service without a web server, for any exposure kept as TOML.

explain    one request through every stage: tokens, tree, plan, SQL and, with --database, the database's own plan
metadata   the metadata document
functions  the canonical functions with their signatures
imports    the arrows between the packages, those that point up marked
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import click

from odata import imports as arrows
from odata.edm.check import check
from odata.errors import ODataError
from odata.explain import STAGES, Stage, explain
from odata.exposure import Exposure, ExposureError
from odata.exposure_toml import read
from odata.functions import listing
from odata.plan.limits import Profile
from odata.plan.paging import Signer
from odata.protocol.negotiate import negotiate
from odata.service import Principal, Service
from odata.sql.run import Database

DEMO_ORG = "00D000000000000EAA"
ROOT = "http://localhost/odata/v4/"

exposure_option = click.option(
    "--exposure",
    "file",
    default="exposure.toml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="What is shown.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """OData v4 over PostgreSQL, for any exposure kept as TOML."""


@main.command("explain")
@click.argument("url")
@exposure_option
@click.option("--stage", default="sql", show_default=True, type=click.Choice(STAGES), help="The last stage to show.")
@click.option("--profile", default="strict", show_default=True, type=click.Choice(get_args(Profile)))
@click.option("--org", default=DEMO_ORG, show_default=True, help="The org whose rows are read.")
@click.option("--database", "database_url", metavar="URL", help="Run EXPLAIN ANALYZE there and show the first rows.")
def explain_command(url: str, file: Path, stage: Stage, profile: Profile, org: str, database_url: str | None) -> None:
    """Show what becomes of a URL, such as "Accounts?$filter=Name eq 'Ada'"."""
    database = Database(database_url or "")
    service = _service(_exposure(file), database)
    principal = Principal(identity="explain", org_id=org, profile=profile)
    try:
        for line in explain(service, url, principal, until=stage, analyze=database.fetch_all if database_url else None):
            click.echo(line)
    finally:
        database.close()


@main.command()
@exposure_option
@click.option("--version", default="4.01", show_default=True, type=click.Choice(["4.0", "4.01"]))
@click.option("--profile", default="strict", show_default=True, type=click.Choice(get_args(Profile)))
def metadata(file: Path, version: str, profile: Profile) -> None:
    """Print the metadata document (CSDL XML)."""
    service = _service(_exposure(file), Database(""))
    face = service.face(Principal(identity="metadata", org_id=DEMO_ORG, profile=profile))
    click.echo(face.documents[version][0].decode())


@main.command()
def functions() -> None:
    """List the canonical functions."""
    click.echo(listing())


@main.command()
def imports() -> None:
    """Show which package imports which, and mark arrows that point up."""
    sys.exit(arrows.main())


def _service(exposure: Exposure, database: Database) -> Service:
    return Service(exposure=exposure, database=database, negotiate=negotiate, signer=Signer((b"explain",)), root=ROOT)


def _exposure(file: Path) -> Exposure:
    try:
        exposure = read(file.read_text(encoding="utf-8"))
        for warning in check(exposure):
            click.echo(f"warning: {warning}", err=True)
    except OSError as problem:
        raise click.ClickException(
            f"{file} cannot be read: {problem.strerror}; name a TOML file with --exposure"
        ) from None
    except (ExposureError, ODataError) as problem:
        raise click.ClickException(str(problem)) from None
    return exposure


if __name__ == "__main__":
    main(prog_name="python -m odata")
