"""The one reader of environment variables: one frozen value, units in its names, one documented field a setting.

In: a mapping of environment variables. Out: `Settings`. Knows nothing of Flask, SQL or the domain; only entry points
import it (app.py, cli.py, gunicorn.conf.py, migrations/env.py, local/). A setting is one field made by `setting(...)`:
its variable, how its text is read, one line of documentation. README tables and tests walk `documentation()`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from setting_kinds import (
    AUTHORIZATION,
    DATABASE,
    FLAG,
    ORG_ID,
    ORIGIN,
    PRIVATE_KEY,
    SECRET,
    TEST_DOMAIN,
    TEXT,
    WEB_URL,
    Kind,
    matching,
    one_of,
    seconds,
    several,
    whole,
)

PROJECT: Final = Path(__file__).resolve().parent
LOCAL_ENVIRONMENT: Final = PROJECT / ".data" / "environment"
"""Written by `make run` for its embedded database, so that `gateway ...` in a second terminal finds the same one."""


class SettingsError(Exception):
    """One line a wrong or missing variable: its name, the value read, what would fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDoc:
    """One row of the README's table. default: as one would write it in the environment, "" when there is none."""

    variable: str
    name: str
    default: str
    fits: str
    doc: str
    secret: bool


def setting(variable: str, kind: Kind, default: Any, doc: str, *, secret: bool = False) -> Any:
    """One field: the variable it is read from, how, its default, and one line of documentation."""
    metadata = {"variable": variable, "kind": kind, "doc": doc, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. Empty text means: not set."""

    # Database
    database_url: str = setting("DATABASE_URL", DATABASE, "", "the database of the gateway", secret=True)
    database_replica_urls: tuple[str, ...] = setting(
        "DATABASE_REPLICA_URLS", several(DATABASE), (), "followers that reads may go to", secret=True
    )
    db_pooler: str = setting(
        "DB_POOLER",
        one_of("none", "transaction"),
        "none",
        "`transaction`: PgBouncer in transaction mode stands between",
    )
    pool_connections: int = setting(
        "POOL_CONNECTIONS", whole(1, 500), 6, "database connections for reads, per web process"
    )
    pool_waiting_requests: int = setting(
        "POOL_WAITING_REQUESTS",
        whole(1, 1000),
        6,
        "requests of one process that may hold a database connection or wait for one up to ACQUIRE_TIMEOUT_SECONDS; "
        "further ones get 503 as soon as no connection changes hands; at most, and by default, WEB_THREADS - 2 "
        "(1 below 3 threads), so that two threads stay free for answers that need no database",
    )
    acquire_timeout_seconds: float = setting(
        "ACQUIRE_TIMEOUT_SECONDS", seconds(0.01, 60), 3.0, "longest wait for a free connection, then 503"
    )
    statement_timeout_seconds: float = setting(
        "STATEMENT_TIMEOUT_SECONDS", seconds(0.05, 600), 20.0, "longest run of one statement, then 503 QueryTimeout"
    )
    lock_timeout_seconds: float = setting(
        "LOCK_TIMEOUT_SECONDS", seconds(0.05, 600), 2.0, "longest wait for a lock in the database"
    )
    idle_in_transaction_timeout_seconds: float = setting(
        "IDLE_IN_TRANSACTION_TIMEOUT_SECONDS",
        seconds(0.05, 600),
        10.0,
        "the database ends a transaction idle for longer",
    )
    connect_timeout_seconds: float = setting(
        "CONNECT_TIMEOUT_SECONDS", seconds(1, 60), 3.0, "longest wait for a new connection to the database"
    )
    string_collation: str = setting(
        "STRING_COLLATION",
        matching(r"[A-Za-z0-9_.@-]{1,63}", "the name of a collation of the database, such as C or und-x-icu"),
        "C",
        "collation by which strings compare, sort and page; C is that of the gateway's own columns and their indexes, "
        "any other is named in every statement",
    )

    # Web
    dyno: str = setting("DYNO", TEXT, "", "name of the dyno, which Heroku sets; a worker is called after it")
    host: str = setting("HOST", TEXT, "127.0.0.1", "address to listen on; 0.0.0.0 on a Heroku dyno")
    port: int = setting("PORT", whole(1, 65535), 8000, "port to listen on")
    app_port: int = setting(
        "APP_PORT",
        whole(0, 65535),
        0,
        "set by the Procfile: the service mesh takes PORT, and gunicorn listens on this one, on 127.0.0.1; 0: no mesh",
    )
    public_url: str = setting(
        "PUBLIC_URL",
        WEB_URL,
        "",
        "base of every absolute URL in answers; by default the bind address, or the app's domain on Heroku",
    )
    web_concurrency: int = setting("WEB_CONCURRENCY", whole(1, 64), 2, "web processes")
    web_threads: int = setting("WEB_THREADS", whole(1, 64), 8, "requests that one web process answers at a time")
    request_deadline_seconds: float = setting(
        "REQUEST_DEADLINE_SECONDS",
        seconds(0.1, 600),
        25.0,
        "longest time for one request; Heroku's router gives up after 30",
    )
    cors_origins: tuple[str, ...] = setting(
        "CORS_ORIGINS", several(ORIGIN), (), "origins whose pages may read the service; none unless set"
    )
    trusted_proxies: int = setting(
        "TRUSTED_PROXIES",
        whole(0, 5),
        0,
        "proxies in front that add to X-Forwarded-For and say X-Forwarded-Proto; 1 on Heroku",
    )
    log_level: str = setting(
        "LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info", "least level that is logged"
    )

    # Who may read
    gateway_secret: str = setting(
        "GATEWAY_SECRET", SECRET, "", "signs skip and delta tokens; the same on all dynos", secret=True
    )
    gateway_secret_previous: str = setting(
        "GATEWAY_SECRET_PREVIOUS", SECRET, "", "the secret before a rotation; its tokens stay valid", secret=True
    )
    odata_auth: str = setting(
        "ODATA_AUTH", one_of("basic", "anonymous"), "basic", "`anonymous` lets everybody read, with a warning at start"
    )
    anonymous_org: str = setting(
        "ANONYMOUS_ORG",
        ORG_ID,
        "",
        "the org whose rows anonymous requests see; needed with ODATA_AUTH=anonymous",
    )
    anonymous_profile: str = setting(
        "ANONYMOUS_PROFILE", one_of("strict", "salesforce"), "strict", "the profile of anonymous requests"
    )
    jwt_issuer: str = setting(
        "JWT_ISSUER", TEXT, "", "`iss` that a bearer token must have; bearer tokens are off without it"
    )
    jwt_audience: str = setting("JWT_AUDIENCE", TEXT, "", "`aud` that a bearer token must have")
    jwt_jwks_url: str = setting("JWT_JWKS_URL", WEB_URL, "", "where the issuer publishes its keys (https)")
    jwt_key_file: str = setting(
        "JWT_KEY_FILE", TEXT, "", "PEM file with the issuer's public key, instead of JWT_JWKS_URL"
    )
    jwt_algorithm: str = setting(
        "JWT_ALGORITHM", one_of("RS256", "ES256"), "RS256", "the only algorithm that a bearer token may be signed with"
    )
    jwt_org_claim: str = setting(
        "JWT_ORG_CLAIM", TEXT, "org_id", "claim that names the org, by its id of 15 or 18 characters"
    )
    jwt_profile: str = setting(
        "JWT_PROFILE", one_of("strict", "salesforce"), "strict", "the profile of requests with a bearer token"
    )
    jwt_scope: str = setting(
        "JWT_SCOPE", one_of("read", "write"), "read", "what a bearer token allows; nothing can be written yet"
    )
    login_failures_per_minute: int = setting(
        "LOGIN_FAILURES_PER_MINUTE",
        whole(1, 100_000),
        10,
        "wrong logins per credential and source in one web process, then 429",
    )
    requests_per_second: int = setting(
        "REQUESTS_PER_SECOND",
        whole(0, 100_000),
        0,
        "requests per second and credential in one web process, twice that at once, then 429; 0 is no limit",
    )

    # Who may call operations, and whose name the gateway has in an org
    applink_auth: str = setting(
        "APPLINK_AUTH",
        one_of("mesh", "basic"),
        "mesh",
        "`mesh`: callers come through the service mesh of Heroku AppLink; `basic`: credentials of the gateway with "
        "scope write, for External Services with a Named Credential",
    )
    applink_orgs: tuple[str, ...] = setting(
        "APPLINK_ORGS",
        several(ORG_ID),
        (),
        "orgs that may call operations; without it those of the named authorizations",
    )
    applink_authorization: str = setting(
        "APPLINK_AUTHORIZATION",
        AUTHORIZATION,
        "worker",
        "the named authorization that works in the background: one name, or `00D...=name` for each of several orgs",
    )
    applink_test_domains: tuple[str, ...] = setting(
        "APPLINK_TEST_DOMAINS",
        several(TEST_DOMAIN),
        (),
        "further domains of orgs, for a simulator; they may be http, of this machine, and on any port",
    )
    applink_callback_path: str = setting(
        "APPLINK_CALLBACK_PATH",
        matching(r"/[^\s?#]*", "a path such as /services/"),
        "/services/",
        "the beginning that the path of every callback must have; `/` is any path of the org",
    )
    sf_auth: str = setting(
        "SF_AUTH",
        one_of("applink", "jwt"),
        "applink",
        "where tokens of an org come from: the add-on's named authorizations, or a JWT bearer flow of one's own",
    )
    sf_login_url: str = setting(
        "SF_LOGIN_URL",
        WEB_URL,
        "https://login.salesforce.com",
        "with SF_AUTH=jwt: where to sign in, such as https://test.salesforce.com for a sandbox",
    )
    sf_consumer_key: str = setting("SF_CONSUMER_KEY", TEXT, "", "with SF_AUTH=jwt: the consumer key of the client app")
    sf_username: str = setting("SF_USERNAME", TEXT, "", "with SF_AUTH=jwt: the user that works in the background")
    sf_private_key: str = setting(
        "SF_PRIVATE_KEY",
        PRIVATE_KEY,
        "",
        "with SF_AUTH=jwt: the private key of the client app's certificate, as PEM",
        secret=True,
    )
    heroku_applink_api_url: str = setting(
        "HEROKU_APPLINK_API_URL", WEB_URL, "", "set by the add-on Heroku AppLink, and read by its SDK"
    )
    heroku_applink_token: str = setting(
        "HEROKU_APPLINK_TOKEN", TEXT, "", "set by the add-on Heroku AppLink, and read by its SDK", secret=True
    )
    heroku_app_id: str = setting(
        "HEROKU_APP_ID", TEXT, "", "set by Heroku where dyno metadata is on, and read by the add-on's SDK"
    )

    # What operations do
    default_region: str = setting(
        "DEFAULT_REGION",
        matching(r"\w[^\x00-\x1f]{0,39}", "a region of the discount rules"),
        "other",
        "the region of an opportunity whose own cannot be read",
    )
    default_currency: str = setting(
        "DEFAULT_CURRENCY",
        matching(r"[A-Z]{3}", "an ISO 4217 code such as USD"),
        "USD",
        "the currency of an org with only one",
    )
    region_field: str = setting(
        "REGION_FIELD",
        matching(
            r"[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,3}",
            "a field of Opportunity, or of what it looks up, such as Account.Region__c",
        ),
        "Account.BillingCountry",
        "where the region of an opportunity stands; a country is translated to its region",
    )
    operation_deadline_seconds: float = setting(
        "OPERATION_DEADLINE_SECONDS",
        seconds(1, 115),
        25.0,
        "longest time for one operation, then 504; Heroku's router gives up after 30",
    )
    operation_connections: int = setting(
        "OPERATION_CONNECTIONS", whole(1, 100), 4, "database connections for operations, per web process"
    )
    salesforce_timeout_seconds: float = setting(
        "SALESFORCE_TIMEOUT_SECONDS", seconds(1, 115), 30.0, "longest wait for one answer of an org"
    )
    applink_body_bytes: int = setting(
        "APPLINK_BODY_BYTES", whole(1024, 10**7), 256_000, "longest body of an operation, then 413"
    )
    job_most_opportunities: int = setting(
        "JOB_MOST_OPPORTUNITIES", whole(1, 10_000), 2000, "opportunities of one job, then 400"
    )
    jobs_open_per_org: int = setting(
        "JOBS_OPEN_PER_ORG", whole(1, 10_000), 20, "jobs of one org that are not finished, then 429"
    )

    # What the worker does
    worker_concurrency: int = setting(
        "WORKER_CONCURRENCY", whole(1, 64), 8, "calls to orgs that one worker process has under way at a time"
    )
    org_concurrency: int = setting(
        "ORG_CONCURRENCY",
        whole(1, 100),
        8,
        "calls to one org that all workers together have under way at a time; an org takes 10 queries of a user at a "
        "time",
    )
    worker_poll_seconds: float = setting(
        "WORKER_POLL_SECONDS", seconds(0.05, 60), 0.5, "how often an idle worker looks for work"
    )
    lease_seconds: float = setting(
        "LEASE_SECONDS",
        seconds(1, 600),
        60.0,
        "how long a worker may keep silent before another takes over what it claimed",
    )
    item_attempts: int = setting(
        "ITEM_ATTEMPTS", whole(1, 100), 8, "how often an opportunity of a job is tried before it counts as failed"
    )
    item_workers_lost: int = setting(
        "ITEM_WORKERS_LOST",
        whole(5, 1000),
        30,
        "how often the lease of an opportunity of a job may be lost before it counts as failed, since its "
        "worker died or had no database; that is no try",
    )
    retry_most_seconds: float = setting(
        "RETRY_MOST_SECONDS", seconds(0.05, 3600), 300.0, "longest wait between two tries; it starts at one second"
    )
    org_pause_seconds: float = setting(
        "ORG_PAUSE_SECONDS",
        seconds(0.05, 3600),
        60.0,
        "first pause of an org that takes no more requests; then twice that",
    )
    org_pause_most_seconds: float = setting(
        "ORG_PAUSE_MOST_SECONDS", seconds(0.05, 86_400), 900.0, "longest pause of an org that takes no more requests"
    )
    intent_settle_seconds: float = setting(
        "INTENT_SETTLE_SECONDS",
        seconds(1, 3600),
        60.0,
        "age from which a worker settles a quote that was begun and not ended, by reading the org",
    )
    callback_deadline_seconds: int = setting(
        "CALLBACK_DEADLINE_SECONDS",
        whole(1, 86_400),
        86_400,
        "how long a callback is tried after its job was asked for; a day is the most that Apex waits",
    )
    shutdown_seconds: float = setting(
        "SHUTDOWN_SECONDS", seconds(0.5, 25), 20.0, "longest time that a worker takes to end; Heroku kills it after 30"
    )
    keep_jobs_days: int = setting("KEEP_JOBS_DAYS", whole(1, 3650), 90, "days that a finished job stays")
    keep_intents_days: int = setting(
        "KEEP_INTENTS_DAYS", whole(1, 3650), 7, "days that the answer to a request key of createQuote is remembered"
    )
    keep_keys_days: int = setting(
        "KEEP_KEYS_DAYS", whole(1, 3650), 7, "days that the request key of a job is remembered"
    )

    # Shape of answers
    salesforce_date_type: str = setting(
        "SALESFORCE_DATE_TYPE",
        one_of("Edm.Date", "Edm.DateTimeOffset", "Edm.String"),
        "Edm.Date",
        "how Date properties are published to the profile salesforce",
    )
    odata_capture: str = setting(
        "ODATA_CAPTURE", TEXT, "", "directory for request heads and answer shapes, secrets removed"
    )
    debug_timings: bool = setting("DEBUG_TIMINGS", FLAG, False, "answers carry `Server-Timing` per stage")
    shape_cache_entries: int = setting(
        "SHAPE_CACHE_ENTRIES",
        whole(0, 1_000_000),
        1000,
        "planned URL shapes kept per process; 0 switches the cache off",
    )
    shape_cache_bytes: int = setting(
        "SHAPE_CACHE_BYTES", whole(0, 10**9), 16_000_000, "bytes of planned URL shapes kept per process"
    )

    # Limits of a request: size
    request_line_bytes: int = setting("REQUEST_LINE_BYTES", whole(1024, 8190), 8190, "longest request line, then 414")
    header_field_bytes: int = setting("HEADER_FIELD_BYTES", whole(1024, 8190), 8190, "longest header field, then 431")
    header_fields: int = setting("HEADER_FIELDS", whole(20, 1000), 100, "header fields of a request, then 431")
    body_bytes: int = setting("BODY_BYTES", whole(1024, 10**9), 8_000_000, "longest request body as sent, then 413")
    inflated_body_bytes: int = setting(
        "INFLATED_BODY_BYTES", whole(1024, 10**9), 16_000_000, "longest request body after decompression, then 413"
    )
    inflate_ratio: int = setting(
        "INFLATE_RATIO", whole(2, 1000), 100, "most that a body may grow by decompression, then 413"
    )
    query_body_bytes: int = setting(
        "QUERY_BODY_BYTES",
        whole(1024, 10**9),
        500_000,
        "longest body of POST .../$query after decompression, then 413; 2,000 ids of 36 characters take 80,000",
    )

    # Limits of a request: what it asks
    max_page_size: int = setting("MAX_PAGE_SIZE", whole(1, 100_000), 2000, "rows of a page")
    max_top_one_page: int = setting(
        "MAX_TOP_ONE_PAGE", whole(1, 100_000), 2001, "an explicit $top up to this is one page"
    )
    max_page_bytes: int = setting("MAX_PAGE_BYTES", whole(10_000, 10**9), 7_000_000, "bytes of a page")
    max_row_bytes: int = setting(
        "MAX_ROW_BYTES", whole(10_000, 10**9), 8_000_000, "bytes of one row; a longer one is an error"
    )
    max_skip: int = setting("MAX_SKIP", whole(0, 10**9), 100_000, "$skip; next links go on without limit")
    filter_nodes: int = setting("FILTER_NODES", whole(1, 10**6), 4000, "nodes of a $filter expression")
    filter_depth: int = setting("FILTER_DEPTH", whole(1, 200), 50, "nesting of a $filter expression")
    function_depth: int = setting("FUNCTION_DEPTH", whole(1, 100), 15, "functions within functions")
    expression_copies: int = setting(
        "EXPRESSION_COPIES", whole(100, 10**7), 10_000, "nodes of an expression, each as often as its SQL names it"
    )
    in_items: int = setting("IN_ITEMS", whole(1, 100_000), 2000, "items of an `in` list")
    lambda_depth: int = setting("LAMBDA_DEPTH", whole(0, 10), 2, "any and all within each other")
    orderby_items: int = setting("ORDERBY_ITEMS", whole(1, 100), 8, "items of $orderby")
    expand_depth: int = setting("EXPAND_DEPTH", whole(0, 20), 3, "levels of $expand")
    expand_navigations: int = setting("EXPAND_NAVIGATIONS", whole(0, 100), 8, "navigation properties in all of $expand")
    expand_rows: int = setting(
        "EXPAND_ROWS", whole(1, 10**6), 20_000, "rows of a page with all that is expanded; pages shrink to it"
    )
    search_terms: int = setting("SEARCH_TERMS", whole(1, 1000), 100, "terms of $search")
    search_characters: int = setting("SEARCH_CHARACTERS", whole(1, 10_000), 1000, "characters of $search")


def load(environ: Mapping[str, str] | None = None, *, need: Iterable[str] = ()) -> Settings:
    """Read the settings.

    Args:   environ: the variables; None is this process's own, completed from `.data/environment` when DATABASE_URL
            is not set and this is no dyno. need: variables that must be there. A variable set to "" counts as not set.
    Raises: SettingsError, one line for each wrong or missing variable.
    """
    variables = _own_environment() if environ is None else {name: text for name, text in environ.items() if text}
    values: dict[str, Any] = {}
    problems = []
    for one in dataclasses.fields(Settings):
        text = variables.get(one.metadata["variable"])
        if text is None:
            continue
        try:
            values[one.name] = one.metadata["kind"].read(text.strip())
        except (ValueError, KeyError):
            problems.append(_wrong(one, text))
    problems += [f"{name} is not set: {_WAYS_OUT.get(name, 'set it')}" for name in need if name not in variables]
    if problems:
        raise SettingsError("\n".join(problems))
    return _checked(_with_surroundings(Settings(**values), variables))


def documentation() -> tuple[SettingDoc, ...]:
    """Every setting in the order of the class, for the README and the tests."""
    return tuple(
        SettingDoc(
            variable=one.metadata["variable"],
            name=one.name,
            default=_as_text(one.default),
            fits=one.metadata["kind"].fits,
            doc=one.metadata["doc"],
            secret=one.metadata["secret"],
        )
        for one in dataclasses.fields(Settings)
    )


_WAYS_OUT: Final = {
    "DATABASE_URL": "name a PostgreSQL database, or use `make run`, which starts one of its own",
    "GATEWAY_SECRET": "set it to the output of `openssl rand -base64 48`, the same on all dynos (`make run` makes one)",
}


def _own_environment() -> dict[str, str]:
    own = {name: text for name, text in os.environ.items() if text}
    if "DATABASE_URL" not in own and "DYNO" not in own and os.access(LOCAL_ENVIRONMENT, os.R_OK):
        return dict(_lines(LOCAL_ENVIRONMENT.read_text())) | own
    return own


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            yield name, value


def _wrong(one: dataclasses.Field[Any], text: str) -> str:
    shown = f"a text of {len(text)} characters" if one.metadata["secret"] else f"'{text[:80]}'"
    return f"{one.metadata['variable']} is {shown}; it needs {one.metadata['kind'].fits}"


def _with_surroundings(given: Settings, variables: Mapping[str, str]) -> Settings:
    """Fill what follows from where this runs: the address to listen on, the public URL, how many may wait."""
    on_dyno = bool(given.dyno)
    derived: dict[str, Any] = {}
    if "HOST" not in variables and on_dyno:
        derived["host"] = "0.0.0.0"  # Heroku's router comes from outside
    if "TRUSTED_PROXIES" not in variables and on_dyno:
        derived["trusted_proxies"] = 1  # Heroku's router
    if not given.public_url:
        domain = variables.get("HEROKU_APP_DEFAULT_DOMAIN_NAME")
        if given.dyno.startswith("web.") and not domain:  # a release must not fail for want of links
            raise SettingsError("PUBLIC_URL is not set: set it to the address of the app, https://<app>.herokuapp.com")
        derived["public_url"] = f"https://{domain}" if on_dyno and domain else f"http://{given.host}:{given.port}"
    if "POOL_WAITING_REQUESTS" not in variables:
        derived["pool_waiting_requests"] = _most_waiting(given.web_threads)
    return dataclasses.replace(given, **derived)


def _most_waiting(threads: int) -> int:
    return max(threads - 2, 1)


def _checked(settings: Settings) -> Settings:
    """Refuse settings that contradict each other."""
    problems = []
    most = _most_waiting(settings.web_threads)
    if settings.pool_waiting_requests > most:
        problems.append(
            f"POOL_WAITING_REQUESTS is {settings.pool_waiting_requests}; it needs at most {most} "
            f"with WEB_THREADS {settings.web_threads}"
        )
    if settings.odata_auth == "anonymous" and not settings.anonymous_org:
        problems.append("ANONYMOUS_ORG is not set: with ODATA_AUTH=anonymous it names the org whose rows are shown")
    if settings.jwt_issuer and not settings.jwt_audience:
        problems.append("JWT_AUDIENCE is not set: with JWT_ISSUER it names the audience that a token must have")
    if settings.jwt_issuer and bool(settings.jwt_jwks_url) == bool(settings.jwt_key_file):
        problems.append("JWT_ISSUER needs exactly one of JWT_JWKS_URL and JWT_KEY_FILE")
    if settings.jwt_jwks_url.startswith("http://"):
        problems.append(f"JWT_JWKS_URL is '{settings.jwt_jwks_url}'; it needs an https URL")
    problems += _checked_org_tokens(settings)
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _checked_org_tokens(settings: Settings) -> list[str]:
    """What SF_AUTH=jwt needs, and pauses that grow."""
    needed = ("sf_consumer_key", "sf_username", "sf_private_key") if settings.sf_auth == "jwt" else ()
    problems = [f"{name.upper()} is not set: SF_AUTH=jwt needs it" for name in needed if not getattr(settings, name)]
    if settings.org_pause_most_seconds < settings.org_pause_seconds:
        problems.append(f"ORG_PAUSE_MOST_SECONDS needs at least ORG_PAUSE_SECONDS, {settings.org_pause_seconds:g}")
    return problems


def _as_text(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)
