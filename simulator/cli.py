"""`gateway sim ...`: the simulated org from the command line. cli.py loads this module only when it is asked for.

Exit codes: 0 when what was asked was made and everybody agrees, 1 otherwise.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click

from simulator import context
from simulator.asking import Asking, Outcome
from simulator.caller import ABSENT, Apex, Invocation, Reply, Unreachable
from simulator.context import Caller
from simulator.org_client import NoOrg, OrgClient, UnknownUser
from simulator.rows import NoRows, Progress, Rows

MESH_PORT: Final = 8020
WITNESS: Final = "worker"
"""The user of each org who sees every quote."""


COMMANDS: Final[dict[str, click.Command]] = {}
"""The commands of `gateway sim`, by name."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is: the caller, which knows org, gateway and mesh, and the OData sets."""

    apex: Apex
    rows: Rows


def places(simulator: str, gateway: str, mesh: str, login: str) -> Places:
    """From the options of `gateway sim`: three URLs, and NAME:SECRET."""
    name, _, secret = login.partition(":")
    root = gateway.rstrip("/")
    apex = Apex(org=OrgClient(simulator.rstrip("/")), gateway=root, mesh=mesh.rstrip("/"))
    return Places(apex=apex, rows=Rows(root=f"{root}/odata/v4/", username=name, secret=secret))


def _command(name: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    def register(function: Callable[..., Any]) -> click.Command:
        made: click.Command = click.command(name, cls=click.Command, **settings)(function)
        COMMANDS[name] = made
        return made

    return register


@_command("invoke")
@click.argument("operation")
@click.option("--opportunity", "opportunities", multiple=True, metavar="ID", help="An opportunity; may be repeated.")
@click.option("--count", type=click.IntRange(1, 2000), help="So many opportunities that the user sees.")
@click.option("--body", help="The request's body as JSON instead, for any operation.")
@click.option("--user", default="ann", show_default=True, help="Who calls: ann, ben, worker, or a whole username.")
@click.option("--through", default="mesh", show_default=True, type=click.Choice(["mesh", "direct"]))
@click.option("--deadline", default=600.0, show_default=True, metavar="SECONDS", help="Until when a callback may come.")
@click.option(
    "--callback/--no-callback", default=None, help="Ask for a callback; createQuotes does unless told not to."
)
@click.option(
    "--times", default=1, show_default=True, type=click.IntRange(1, 100), help="Send the same bytes so often."
)
@click.option("--context", "spoiled", type=click.Choice([ABSENT, *context.MALFORMED]), metavar="NAME",
              help=f"Send a malformed context: - (none), {', '.join(context.MALFORMED)}.")  # fmt: skip
@click.option("--org-domain", metavar="URL", help="Say that the org has this domain.")
@click.option("--user-plus", is_flag=True, help="Activate the session-based permission set for the time of the call.")
@click.pass_obj
def invoke(
    at: Places,
    operation: str,
    opportunities: tuple[str, ...],
    count: int | None,
    body: str | None,
    user: str,
    through: Any,
    deadline: float,
    callback: bool | None,
    times: int,
    spoiled: str | None,
    org_domain: str | None,
    user_plus: bool,
) -> None:
    """Call an operation: `invoke createQuote --opportunity ID`, `invoke createQuotes --count 200`."""
    with _one_line(), ExitStack() as during:
        caller = at.apex.sign_in(user)
        if user_plus:
            during.enter_context(at.apex.org.user_plus(caller))
        chosen = opportunities or (_choose(at.apex, caller, count) if count else ())
        usual = body is None and times == 1 and spoiled is None and org_domain is None and callback is not False
        if usual and operation in ("createQuote", "createQuotes"):
            witness = at.apex.sign_in(f"{WITNESS}@{caller.username.partition('@')[2]}")
            asking = Asking(
                apex=at.apex, rows=at.rows, user=caller, witness=witness, through=through, deadline_seconds=deadline
            )
            sys.exit(0 if _judged(asking, operation, chosen) else 1)
        invocation = at.apex.prepare(
            operation,
            _members(operation, body, chosen),
            user=caller,
            through=through,
            deadline_seconds=deadline,
            callback=operation == "createQuotes" if callback is None else callback,
            client_context=spoiled,
            org_domain_url=org_domain,
        )
        sys.exit(0 if _sent(at.apex, invocation, times, deadline) else 1)


def _sent(apex: Apex, invocation: Invocation, times: int, seconds: float) -> bool:
    """Send the same bytes so often, show each answer and the callback; whether all went well."""
    replies = [apex.send(invocation) for _ in range(times)]
    for reply in replies:
        _show(reply)
    well = all(reply.status < 300 for reply in replies)
    if not well or invocation.callback_id is None:
        return well
    told = apex.wait(invocation, seconds)
    click.echo(f"callback {_pretty(told.body)}" if told else "no callback")
    return told is not None


def _choose(apex: Apex, caller: Caller, count: int) -> tuple[str, ...]:
    """Opportunities that the user sees and that can become a quote."""
    found = apex.org.opportunities(caller.username, count)
    if len(found) < count:
        raise click.ClickException(f"{caller.username} sees {len(found)} that can become a quote, not {count}")
    return found


def _members(operation: str, body: str | None, opportunities: tuple[str, ...]) -> dict[str, Any]:
    if body is not None:
        try:
            members = json.loads(body)
        except ValueError as problem:
            raise click.ClickException(f"--body is no JSON: {problem}") from None
        if not isinstance(members, dict):
            raise click.ClickException("--body must be a JSON object")
        return members
    if operation in ("createQuotes", "startQuotes"):
        return {"opportunityIds": list(opportunities)}
    return {"opportunityId": opportunities[0]} if opportunities else {}


def _judged(asking: Asking, operation: str, opportunities: tuple[str, ...]) -> bool:
    if not opportunities:
        raise click.ClickException(f"{operation} needs --opportunity ID, or --count N")
    if operation == "createQuotes":
        outcome = _watched(asking, opportunities)
    elif len(opportunities) == 1:
        outcome = asking.create_quote(opportunities[0])
        _show(outcome.reply)
    else:
        raise click.ClickException("createQuote takes one opportunity; createQuotes takes several")
    if outcome.verdict is not None:
        for line in outcome.verdict.wrong:
            click.echo(f"WRONG  {line}")
        click.echo(f"{'ok' if outcome.well else 'WRONG'}     {outcome.verdict.summary}")
    return outcome.well


def _watched(asking: Asking, opportunities: tuple[str, ...]) -> Outcome:
    """createQuotes under a progress bar that the set Jobs feeds."""
    with click.progressbar(length=100, label=f"createQuotes {len(opportunities)}", width=40) as bar:

        def watch(progress: Progress) -> None:
            bar.label = f"createQuotes {len(opportunities)} {progress.status}"
            bar.update(int(progress.percent) - bar.pos)

        outcome = asking.create_quotes(opportunities, watch)
    _show(outcome.reply)
    for told in outcome.callbacks:
        click.echo(f"callback {_pretty(told)}")
    return outcome


def _show(reply: Reply) -> None:
    milliseconds = f"{reply.seconds * 1000:.0f} ms"
    try:
        click.echo(f"{reply.status} {milliseconds} {_pretty(reply.body)}")
    except ValueError:
        click.echo(f"{reply.status} {milliseconds} {reply.answer.body.decode('utf-8', 'replace').strip()}")


def _pretty(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


@_command("serve", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def serve(words: tuple[str, ...]) -> None:
    """Run org, add-on and mesh until Ctrl-C; options as of `python -m simulator --help`."""
    mesh = () if any(word.startswith("--mesh-port") for word in words) else ("--mesh-port", str(MESH_PORT))
    sys.argv = ["gateway sim serve", *mesh, *words]
    runpy.run_module("simulator", run_name="__main__")


@_command("requests")
@click.option("--last", default=20, show_default=True, type=click.IntRange(1), help="So many.")
@click.pass_obj
def requests(at: Places, last: int) -> None:
    """What the org and the add-on were asked, newest last."""
    with _one_line():
        for one in at.apex.org.requests()[-last:]:
            click.echo(f"{one['status']}\t{one['ms']:.0f} ms\t{one['user'] or '-'}\t{one['method']} {one['path']}")


@_command("faults")
@click.argument("match", required=False)
@click.option("--status", type=click.IntRange(100, 599), help="Answer with this status.")
@click.option("--body", help="Answer with this body.")
@click.option("--delay", type=float, metavar="SECONDS", help="Wait so long first.")
@click.option("--cut", is_flag=True, help="End the connection without an answer.")
@click.option("--after", is_flag=True, help="Only once the org has done what it was asked.")
@click.option("--times", default=1, show_default=True, type=click.IntRange(1), help="So often.")
@click.pass_obj
def faults(at: Places, /, match: str | None, **said: Any) -> None:
    """Let the org fail, `faults "POST /composite/graph" --status 503`; without MATCH, list what was ordered."""
    with _one_line():
        if match is not None:
            wanted = {name: value for name, value in said.items() if value is not None}
            at.apex.org.control("POST", "faults", {"match": match, **wanted})
        for one in at.apex.org.control("GET", "faults")["faults"]:
            click.echo(f"{one['met']} of {one['times']}\t{one['match']}\t{_ordered(one)}")


def _ordered(fault: Mapping[str, Any]) -> str:
    told = (f"{name} {fault[name]}" for name in ("status", "delay", "cut", "after") if fault[name])
    return ", ".join(told)


@_command("reset")
@click.pass_obj
def reset(at: Places) -> None:
    """Forget faults, recorded requests and all that was written."""
    with _one_line():
        at.apex.org.control("POST", "reset", {})


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (Unreachable, NoOrg, UnknownUser, NoRows, ValueError) as problem:
        raise click.ClickException(str(problem)) from None
