"""The `gateway` command: thin, one function a subcommand. Each says what went wrong in one line and exits with 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DBAPIError, OperationalError

import settings as gateway_settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("gateway"), prog_name="gateway")
def main() -> None:
    """OData v4 over PostgreSQL, for Salesforce Connect and every other OData client."""


@main.command()
def serve() -> None:
    """Serve the web process (gunicorn), as the Procfile does."""
    _settings("DATABASE_URL", "GATEWAY_SECRET")
    words = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "app:create_app()"]
    os.chdir(gateway_settings.PROJECT)
    os.execv(sys.executable, words)


@main.command()
def migrate() -> None:
    """Bring the schema up to date; safe under traffic, and to repeat."""
    from models import migrating

    settings = _settings("DATABASE_URL")
    with _one_line():
        migrating.migrate(settings.database_url, progress=_progress(settings.log_level))


@main.command()
@click.option("--quotes", default=1000, show_default=True, type=click.IntRange(min=1), help="How many quotes.")
def seed(quotes: int) -> None:
    """Fill an empty database with demo data, the same every time."""
    from models import seed as models_seed

    with _one_line():
        try:
            models_seed.seed(_settings("DATABASE_URL").database_url, quotes=quotes, progress=click.echo)
        except models_seed.NotEmptyError as problem:
            raise click.ClickException(str(problem)) from None


@main.group()
def credentials() -> None:
    """Who may read: make, rotate, revoke and list credentials."""


@credentials.command("create")
@click.option("--org", required=True, metavar="00D...", help="The Salesforce organization whose rows it may see.")
@click.option("--profile", default="strict", show_default=True, type=click.Choice(["salesforce", "strict"]))
@click.option("--scope", default="read", show_default=True, type=click.Choice(["read", "write"]))
@click.option("--sets", metavar="Quotes,Jobs", help="Only these entity sets; all of them without it.")
@click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="The first day without access (UTC)."
)
def create_credential(org: str, profile: str, scope: str, sets: str | None, expires: datetime | None) -> None:
    """Make a credential; its secret is shown once. An org seen for the first time gets the default discount rules."""
    from models import database
    from models.credential import create
    from models.discount_rule import ensure_default_rules

    org_id, names, ends = _org(org), _set_names(sets), _end(expires)
    with _one_line(), database.engine(_settings("DATABASE_URL").database_url).begin() as connection:
        database.set_org(connection, org_id)
        issued = create(connection, org_id=org_id, profile=profile, scope=scope, sets=names, expires_at=ends)
        added = ensure_default_rules(connection, org_id)
    _show(issued.username, issued.secret)
    if added:
        click.echo(f"{org_id} is new: it got {added} default discount rules")


@credentials.command("rotate")
@click.argument("username")
@click.option(
    "--hours", default=24, show_default=True, type=click.IntRange(0, 8760), help="How long the present one stays valid."
)
def rotate_credential(username: str, hours: int) -> None:
    """Make a new secret; the present one stays valid for a while."""
    from models import database
    from models.credential import rotate

    with _one_line(), database.engine(_settings("DATABASE_URL").database_url).begin() as connection:
        issued = rotate(connection, username, overlap=timedelta(hours=hours))
    _show(issued.username, issued.secret)


@credentials.command("revoke")
@click.argument("username")
def revoke_credential(username: str) -> None:
    """End a credential at once."""
    from models import database
    from models.credential import revoke

    with _one_line(), database.engine(_settings("DATABASE_URL").database_url).begin() as connection:
        revoke(connection, username)
    click.echo(f"{username} is revoked")


@credentials.command("list")
@click.option("--org", metavar="00D...", help="Only those of one organization.")
def list_credentials(org: str | None) -> None:
    """Show credentials, never their secrets."""
    from models import database
    from models.credential import listing

    with _one_line(), database.engine(_settings("DATABASE_URL").database_url).begin() as connection:
        rows = listing(connection, _org(org) if org else None)
    for row in rows:
        visible = ",".join(row.sets) if row.sets is not None else "all sets"
        state = _state(row.revoked_at, row.expires_at)
        click.echo(f"{row.username}\t{row.org_id}\t{row.profile}\t{row.scope}\t{visible}\t{state}")


def _state(revoked_at: datetime | None, expires_at: datetime | None) -> str:
    """Whether a credential is valid, in a word."""
    if revoked_at is not None:
        return "revoked"
    if expires_at is None:
        return "valid"
    return f"{'until' if expires_at > datetime.now(UTC) else 'expired'} {expires_at:%Y-%m-%d}"


@main.command()
@click.argument("url")
@click.option(
    "--stage", default="sql", show_default=True, type=click.Choice(["url", "plan", "sql"]), help="Stop there."
)
@click.option("--profile", default="strict", show_default=True, type=click.Choice(["salesforce", "strict"]))
@click.option("--org", metavar="00D...", help="The organization that asks; the first one of the demo data without it.")
@click.option("--analyze", is_flag=True, help="Run it: EXPLAIN ANALYZE of the database, and the first rows.")
def explain(url: str, stage: Any, profile: Any, org: str | None, analyze: bool) -> None:
    """Show every stage of one read, such as "/Quotes?$filter=Status eq 'Draft'"."""
    import app
    from models import seed as models_seed
    from odata.explain import explain as explained
    from odata.service import Principal
    from odata.sql.run import Database

    settings = _settings(*(("DATABASE_URL",) if analyze else ()))
    if not settings.database_url:
        settings = replace(settings, database_url="postgresql:///")
    service = app.service(settings)
    analyzer = service.database if analyze else None
    if analyzer is not None and not isinstance(analyzer, Database):
        raise TypeError("the service reads from another database")
    asking = Principal(identity="explain", org_id=_org(org or models_seed.ORGS[0]), profile=profile)
    try:
        with _one_line():
            for line in explained(service, url, asking, until=stage, analyze=analyzer.fetch_all if analyzer else None):
                click.echo(line)
    finally:
        if analyzer is not None:
            analyzer.close()


@main.command()
def doctor() -> None:
    """Say what is well and what is not: settings, database, migrations, search, role, credentials."""
    from models.doctor import findings

    settings = _settings("DATABASE_URL", "GATEWAY_SECRET")
    click.echo("ok     settings: every one can be read")
    found = list(findings(settings.database_url))
    for finding in found:
        click.echo(f"{'ok    ' if finding.well else 'WRONG '} {finding.what}: {finding.said}")
    sys.exit(0 if all(finding.well for finding in found) else 1)


@main.command()
def worker() -> None:
    """Work in the background: jobs, callbacks, what was begun and not ended. Any number of them may run."""
    import app
    from applink import work_log
    from applink.item_work import Limits
    from applink.status import connection_name, worker_name
    from applink.worker import Worker
    from odata.protocol.log_records import log_json

    settings = _settings("DATABASE_URL")
    log_json(settings.log_level, work_log.facts)
    limits = Limits(
        concurrency=settings.worker_concurrency,
        org_concurrency=settings.org_concurrency,
        poll_seconds=settings.worker_poll_seconds,
        intent_settle_seconds=settings.intent_settle_seconds,
        **{one: getattr(settings, one) for one in _OF_THE_SAME_NAME},
    )
    name = worker_name(settings.dyno)
    own = app.domain_engine(settings, connections=4, name=connection_name(name))
    makers = app.domain_engine(settings, connections=2, name=connection_name(name))
    working = Worker(own, app.orgs(settings), app.quotes(settings, makers), limits, name=name)
    working.handle_signals()
    working.run()
    sys.stdout.flush()
    os._exit(0)  # whatever is still under way is looked up by others: nothing waits for its threads


_OF_THE_SAME_NAME = (
    "lease_seconds", "item_attempts", "item_workers_lost", "retry_most_seconds", "org_pause_seconds",
    "org_pause_most_seconds", "shutdown_seconds", "keep_jobs_days", "keep_intents_days", "keep_keys_days",
)  # fmt: skip


class _Queue(click.Group):
    """Commands of `applink.cli`, which is loaded only when one of them is asked for. table: which of its tables."""

    def __init__(self, *given: Any, table: str = "", **named: Any) -> None:
        super().__init__(*given, **named)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        from applink import cli

        return sorted(getattr(cli, self._table))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from applink import cli

        found: click.Command | None = getattr(cli, self._table).get(cmd_name)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        with _one_line():
            return super().invoke(ctx)


@main.group("jobs", cls=_Queue, table="JOBS")
@click.pass_context
def jobs(ctx: click.Context) -> None:
    """The jobs of every org: list, show, retry, cancel."""
    ctx.obj = _settings("DATABASE_URL").database_url


@main.group("callbacks", cls=_Queue, table="CALLBACKS")
@click.pass_context
def callbacks(ctx: click.Context) -> None:
    """Callbacks and events that ended jobs still owe: list, resend, abandon."""
    ctx.obj = _settings("DATABASE_URL").database_url


@main.command()
def status() -> None:
    """Show the queue: depth, oldest wait, leases, callbacks, workers, paused orgs and until when."""
    from applink import cli

    with _one_line():
        cli.show_status(_settings("DATABASE_URL").database_url)


class _Simulator(click.Group):
    """The commands of `simulator.cli`, which is loaded only when one of them is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from simulator.cli import COMMANDS

        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from simulator.cli import COMMANDS

        return COMMANDS.get(cmd_name)


@main.group("sim", cls=_Simulator)
@click.option("--simulator", default="http://127.0.0.1:8010", show_default=True, metavar="URL", help="The org.")
@click.option("--gateway", default="http://127.0.0.1:8000", show_default=True, metavar="URL", help="The gateway.")
@click.option("--mesh", default="http://127.0.0.1:8020", show_default=True, metavar="URL", help="The service mesh.")
@click.option("--login", default="demo:demo", show_default=True, metavar="NAME:SECRET", help="Who reads the sets.")
@click.pass_context
def sim(ctx: click.Context, simulator: str, gateway: str, mesh: str, login: str) -> None:
    """A simulated Salesforce org: call the gateway as Apex or Flow does, and see what the org saw."""
    from simulator.cli import places

    ctx.obj = places(simulator, gateway, mesh, login)


@main.group()
def openapi() -> None:
    """Contracts that Salesforce publishes."""


@openapi.command("applink")
@click.option(
    "--for", "audience", default="apex", show_default=True, type=click.Choice(["apex", "agent"]), help="Who calls."
)
@click.option("--client-app", default="", metavar="NAME", help="External client app, as given when publishing.")
@click.option("--permission-set", default="", metavar="NAME", help="Session permission set of user-plus mode.")
def openapi_applink(audience: Any, client_app: str, permission_set: str) -> None:
    """Print the operations as `heroku salesforce:publish` takes them; fails when Salesforce would refuse something."""
    from applink import openapi as contract
    from applink import openapi_lint

    publishing = contract.Publishing(client_app=client_app, permission_set=permission_set)
    text = contract.text(audience, publishing)
    if found := openapi_lint.findings(contract.document(audience, publishing), text=text):
        raise click.ClickException("\n".join(found))
    click.echo(text, nl=False)


@main.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("url")
@click.option("--user", required=True, help="The credential to send; its secret is asked for.")
@click.option("--secret", prompt=True, hide_input=True, help="Its secret; better typed when asked.")
def replay(directory: Path, url: str, user: str, secret: str) -> None:
    """Send the requests that ODATA_CAPTURE recorded again, and say whose answers have another shape."""
    from local import replay as replaying
    from local.trouble import Trouble

    try:
        done = list(replaying.replay(directory, url, user, secret))
    except Trouble as problem:
        raise click.ClickException(str(problem)) from None
    for one in done:
        if one.lines or one.left_out:
            click.echo(f"{one.file} {one.request}")
            for line in one.lines or (f"not sent: {one.left_out}",):
                click.echo(f"    {line}")
    wrong = sum(bool(one.lines) for one in done)
    click.echo(f"{wrong} of {len(done)} requests have other answers")
    sys.exit(1 if wrong else 0)


@main.command()
def imports() -> None:
    """Show which package imports which, and mark arrows that point up."""
    from odata import imports as arrows

    sys.exit(arrows.main())


@main.command("settings")
def show_settings() -> None:
    """List every setting: variable, default, what fits, what it does."""
    for row in gateway_settings.documentation():
        click.echo(f"{row.variable}={row.default}\n    {row.doc} ({row.fits})")


def _progress(level: str) -> Callable[[str], None]:
    """Where to say what goes on: to a person in words, to a log as JSON lines."""
    from odata.protocol.report import json_lines

    if sys.stdout.isatty():
        return click.echo
    write = json_lines(level)
    return lambda text: write({"level": "info", "logger": "gateway.release", "message": text})


def _settings(*need: str) -> gateway_settings.Settings:
    try:
        return gateway_settings.load(need=need)
    except gateway_settings.SettingsError as problem:
        raise click.ClickException(str(problem)) from None


def _org(text: str) -> str:
    """An organization id with 18 characters."""
    from odata.edm.record_ids import is_org_id, widen_record_id

    if not is_org_id(text):
        raise click.ClickException(f"'{text}' is no organization id; it needs 15 or 18 characters that begin with 00D")
    widened = widen_record_id(text[:15])
    if len(text) == 18 and text != widened:
        raise click.ClickException(
            f"'{text}' is no organization id: its last three characters should be {widened[15:]} (letter case counts)"
        )
    return widened


def _set_names(text: str | None) -> tuple[str, ...] | None:
    """Names of entity sets, None for all."""
    from models import SETS

    if text is None:
        return None
    known = [one.name for one in SETS]
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise click.ClickException(f"'{text}' names no entity set '{', '.join(unknown)}'; there are {', '.join(known)}")
    return names


def _end(day: datetime | None) -> datetime | None:
    """The moment a credential ends, in UTC."""
    end = day.replace(tzinfo=UTC) if day else None
    if end is not None and end <= datetime.now(UTC):
        raise click.ClickException(f"--expires {end:%Y-%m-%d} is over already; it is the first day without access")
    return end


def _show(username: str, secret: str) -> None:
    click.echo(f"username {username}\nsecret   {secret}\nThe secret is not kept and not shown again.")


@contextmanager
def _one_line() -> Iterator[None]:
    """Faults of the database and of what was asked, as one line without a stack."""
    try:
        yield
    except OperationalError as problem:
        raise click.ClickException(f"the database cannot be used: {_first_line(problem)}") from None
    except DBAPIError as problem:
        raise click.ClickException(_first_line(problem)) from None
    except (LookupError, ValueError) as problem:
        raise click.ClickException(str(problem)) from None


def _first_line(problem: DBAPIError) -> str:
    return str(problem.orig).strip().splitlines()[0]
