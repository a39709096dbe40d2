"""/__sim/...: what tests and the caller ask of the simulator itself, and set; no token, fault, delay or record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from simulator import callbacks, data, query, sobjects, soql
from simulator.calls import Answer, Call
from simulator.errors import SalesforceError
from simulator.session import Session, User
from simulator.store import Row
from simulator.world import API_VERSION, Org, World

PREFIX: Final = "/__sim/"
_BASE: Final = f"/services/data/v{API_VERSION}"
Handler = Callable[[World, Call, Any], Any]


def answer(world: World, call: Call) -> Answer:
    """The answer to a call of the control interface; 400 or 404 with {"error"} says what is wrong."""
    name, _, _ = call.path.removeprefix(PREFIX).strip("/").partition("/")
    handler = ROUTES.get((call.method, name))
    if handler is None:
        known = ", ".join(f"{method} {PREFIX}{name}" for method, name in ROUTES)
        return Answer(status=404, body={"error": f"There are: {known}"})
    try:
        wanted = call.json() or {}
        return Answer(body=handler(world, call, wanted))
    except LookupError as error:
        return Answer(status=404, body={"error": f"There is no {error}"})
    except (ValueError, TypeError, SalesforceError) as error:
        return Answer(status=400, body={"error": f"{type(error).__name__}: {error}"})


def _faults(world: World, call: Call, wanted: Any) -> Any:
    return {"faults": [asdict(fault) for fault in world.faults.orders]}


def _order_fault(world: World, call: Call, wanted: Any) -> Any:
    return {"id": world.faults.order(wanted).id}


def _clear_faults(world: World, call: Call, wanted: Any) -> Any:
    world.faults.orders.clear()
    return {}


def _reset(world: World, call: Call, wanted: Any) -> Any:
    world.reset()
    return {}


def _requests(world: World, call: Call, wanted: Any) -> Any:
    """Those after number `since`, whose path holds `path`."""
    since, part = int(call.query.get("since", 0)), call.query.get("path", "")
    kept = [asdict(each) for each in world.requests if each.number > since and part in each.path]
    return {
        "total": world.request_count,
        "requests": kept,
        "mostCalls": dict(world.most_calls),
        "mostQueries": dict(world.most_queries),
    }


def _forget_requests(world: World, call: Call, wanted: Any) -> Any:
    world.requests.clear()
    world.most_calls.clear()
    world.most_queries.clear()
    return {}


def _settings(world: World, call: Call, wanted: Any) -> Any:
    return asdict(world.settings)


def _change_settings(world: World, call: Call, wanted: Any) -> Any:
    world.change_settings(wanted)
    return asdict(world.settings)


def _expire(world: World, call: Call, wanted: Any) -> Any:
    world.expire(wanted.get("username"))
    return {}


def _sign_in(world: World, call: Call, wanted: Any) -> Any:
    """One user, as `_users` lists them; "ann" is enough for ann@acme.example."""
    return _user(world, *world.find_user(wanted["username"]))


def _users(world: World, call: Call, wanted: Any) -> Any:
    """Everybody, with all that a context header is made of."""
    return {"users": [_user(world, org, user) for org in world.orgs.values() for user in org.users.values()]}


def _user(world: World, org: Org, user: User) -> dict[str, Any]:
    return {
        "userId": user.id,
        "username": user.username,
        "orgId": org.id,
        "orgDomainUrl": world.domain(org),
        "apiVersion": API_VERSION,
        "accessToken": org.token(user.username),
        "coreJwt": world.core_jwt(org, user),
        "mayCreateQuotes": world.session(org, user).may_write("Quote"),
        "regions": sorted(user.regions) if user.regions is not None else None,
        "ownOnly": user.own_only,
    }


def _open_callback(world: World, call: Call, wanted: Any) -> Any:
    return callbacks.open_callback(
        world,
        wanted["username"],
        operation=wanted.get("operation", "createQuotes"),
        deadline_seconds=wanted.get("deadlineSeconds"),
    )


def _callbacks(world: World, call: Call, wanted: Any) -> Any:
    """All invocations with a callback, or callbacks/{id}: one."""
    found = callbacks.listed(world)
    _, _, wanted_id = call.path.removeprefix(PREFIX).strip("/").partition("/")
    if not wanted_id:
        return {"callbacks": found}
    return next((each for each in found if each["id"] == wanted_id), None) or _missing(wanted_id)


def _missing(name: str) -> Any:
    raise LookupError(name)


def _events(world: World, call: Call, wanted: Any) -> Any:
    """Platform events published, oldest first."""
    found = []
    for org in world.orgs.values():
        for row in org.store.rows("Quote_Job__e"):
            found.append({"orgId": org.id, "type": "Quote_Job__e", **row})
    return {"events": found}


def _records(world: World, call: Call, wanted: Any) -> Any:
    """Records of `type` for which the SOQL condition `where` holds, all fields, first org or `org`."""
    session = _system(world, call.query.get("org"))
    sobject = sobjects.sobject_named(session, call.query["type"])
    where = soql.parse_condition(call.query["where"]) if call.query.get("where") else None
    fields = tuple((field.name,) for field in sobject.fields.values())
    found = soql.Query(fields=fields, source=sobject.name, where=where)
    binder = query.Binder(session, base=_BASE, pages=world.pages)
    render = binder.render(sobject, found.fields)
    return {"records": [_bare(render(row)) for row in binder.finder(sobject, found)(None)]}


def _bare(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "attributes"}


def _write_record(world: World, call: Call, wanted: Any) -> Any:
    """Change the org behind everybody's back: {type, fields} makes, with id changes, with id alone deletes."""
    session = _system(world, wanted.get("org"))
    sobject = sobjects.sobject_named(session, wanted["type"])
    with session.store.transaction():
        if "id" not in wanted:
            return {"id": sobjects.create(session, sobject, wanted["fields"])}
        row: Row = sobjects.find(session, sobject, wanted["id"])
        if "fields" in wanted:
            sobjects.update(session, sobject, row, wanted["fields"])
        else:
            sobjects.delete(session, sobject, row)
    return {"id": row["Id"]}


def _system(world: World, org_id: str | None) -> Session:
    org = world.orgs[org_id] if org_id else next(iter(world.orgs.values()))
    return world.session(org, None)


def _opportunities(world: World, call: Call, wanted: Any) -> Any:
    """`count` opportunities from the start that `user` sees and that can become a quote; bad=1: those that cannot."""
    org, user = world.find_user(call.query.get("user", "worker"))
    session = world.session(org, user)
    count, bad = int(call.query.get("count", 1)), call.query.get("bad") == "1"
    found: list[str] = []
    for number in range(data.FIRST_ORDINARY, world.opportunities):
        if len(found) == count:
            break
        row = org.store.get("Opportunity", data.record_id("006", org.pod, number))
        if row is not None and data.is_bad(number) == bad and session.sees("Opportunity", row):
            found.append(row["Id"])
    return {"ids": found}


def _specials(world: World, call: Call, wanted: Any) -> Any:
    """The named cases of data.py: name -> id and what is special; first org or `org`."""
    org = world.orgs[call.query["org"]] if call.query.get("org") else next(iter(world.orgs.values()))
    return {
        name: {"id": data.record_id("006", org.pod, number), "what": special.what}
        for number, (name, special) in data.SPECIAL.items()
    }


def _add_consumer(world: World, call: Call, wanted: Any) -> Any:
    """A connected app that may sign in by JWT: {"consumerKey", "publicKey": PEM}."""
    world.consumers[wanted["consumerKey"]] = wanted["publicKey"]
    return {}


ROUTES: Final[dict[tuple[str, str], Handler]] = {
    ("GET", "faults"): _faults,
    ("POST", "faults"): _order_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "reset"): _reset,
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _forget_requests,
    ("GET", "settings"): _settings,
    ("POST", "settings"): _change_settings,
    ("POST", "expire-token"): _expire,
    ("POST", "sign-in"): _sign_in,
    ("GET", "users"): _users,
    ("GET", "callbacks"): _callbacks,
    ("POST", "callbacks"): _open_callback,
    ("GET", "events"): _events,
    ("GET", "records"): _records,
    ("POST", "records"): _write_record,
    ("GET", "opportunities"): _opportunities,
    ("GET", "specials"): _specials,
    ("POST", "consumers"): _add_consumer,
}
