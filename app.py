"""Composition root: settings -> engine -> service -> Flask app; the one file that knows every package."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from secrets import token_urlsafe
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, cast

from flask import Flask, request
from sqlalchemy import Engine, event

import plain_routes
import settings as gateway_settings
from applink import endpoints
from applink import errors as applink_errors
from applink.authorizations import Orgs
from applink.context import Caller
from applink.operation import Desk
from applink.quotes import Quotes
from applink.tokens import JwtLogin
from applink.trust import Trust
from models import credential, database, deadlines
from models import exposure as _exposure
from models.base import COLLATION
from models.pricing import PricingDefaults
from odata import errors
from odata.edm.check import check
from odata.edm.record_ids import widen_record_id
from odata.exposure import Exposure
from odata.plan.limits import Limits, Profile
from odata.plan.paging import Signer
from odata.protocol.auth import Authenticator, Platform
from odata.protocol.basic import Basic, BasicLimits, FindCredential, Hashing
from odata.protocol.bodies import BodyLimits
from odata.protocol.capture import Capture
from odata.protocol.metrics import Metrics, metered
from odata.protocol.negotiate import negotiate
from odata.protocol.rate import RequestRate
from odata.protocol.report import json_lines, reporter
from odata.protocol.wsgi import Http, in_front_of
from odata.service import Principal, Service
from odata.shapes import ShapeCache
from odata.sql.brief import brief_connection
from odata.sql.connections import ConnectionLimits
from odata.sql.run import Database

if TYPE_CHECKING:
    from odata.protocol.bearer import Bearer
    from odata.protocol.keys import Algorithm, Keys

log = logging.getLogger(__name__)
DEADLINE_PER_STATEMENT: Final = 1.25
"""A transaction of the domain ends after so many times STATEMENT_TIMEOUT_SECONDS: the server ends statements first."""
DOMAIN_LIMITS: Final = (
    "SELECT set_config('statement_timeout', %(statement)s, %(local)s),"
    " set_config('idle_in_transaction_session_timeout', %(idle)s, %(local)s)"
)
"""In milliseconds; local: for the transaction, not the session."""
Prove: TypeAlias = Callable[[Mapping[str, str], float], Caller]


class Application(Flask):
    """Flask with the OData service in front of its routes (docs/decisions/wsgi.md)."""

    def __init__(self, odata: Http) -> None:
        super().__init__("gateway", static_folder=None)
        self._front = in_front_of(super().wsgi_app, odata)

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._front(environ, start_response)


def create_app(settings: gateway_settings.Settings | None = None, exposure: Exposure | None = None) -> Flask:
    """The WSGI application.

    Args:   settings: None reads them from the environment. exposure: None shows the quotes and jobs.
    Raises: SettingsError when one is missing or wrong.
    """
    settings = settings or gateway_settings.load(need=("DATABASE_URL", "GATEWAY_SECRET"))
    app = Application(http(settings, exposure))
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    anonymous = settings.odata_auth == "anonymous"
    plain_routes.add(app, settings.database_url, f"{settings.public_url}/odata/v4/", anonymous=anonymous)
    _add_applink(app, settings)
    return app


def http(settings: gateway_settings.Settings, exposure: Exposure | None = None) -> Http:
    """The OData service with everything it is joined to; `exposure` None shows the quotes and jobs."""
    authenticator = _authenticator(settings)
    serving = service(settings, exposure)
    metrics = Metrics(serving.shapes, serving.database.measures)
    return Http(
        service=serving,
        verify=authenticator,
        source=authenticator.platform.source,
        extra_headers=authenticator.platform.response_headers,
        report=metered(reporter(settings.log_level), metrics, settings.log_level),
        query_bodies=BodyLimits(
            raw_bytes=min(settings.body_bytes, settings.query_body_bytes),
            inflated_bytes=min(settings.inflated_body_bytes, settings.query_body_bytes),
            ratio=settings.inflate_ratio,
        ),
        cors_origins=settings.cors_origins,
        timings=settings.debug_timings,
        capture=Capture(Path(settings.odata_capture)) if settings.odata_capture else None,
        rate=RequestRate(settings.requests_per_second),
    )


def service(settings: gateway_settings.Settings, exposure: Exposure | None = None) -> Service:
    """The OData service over the database of the settings; `exposure` None shows the quotes and jobs."""
    exposure = exposure or _exposure()
    for warning in check(exposure):
        log.warning("%s", warning)
    secrets = (settings.gateway_secret, settings.gateway_secret_previous)
    return Service(
        exposure=exposure,
        database=_database(settings),
        negotiate=negotiate,
        signer=Signer(tuple(secret.encode() for secret in secrets if secret)),
        root=f"{settings.public_url}/odata/v4/",
        limits=_limits(settings),
        date_type=settings.salesforce_date_type,
        collation=None if settings.string_collation == COLLATION else settings.string_collation,
        deadline_seconds=settings.request_deadline_seconds,
        shapes=ShapeCache(entries=settings.shape_cache_entries, total_bytes=settings.shape_cache_bytes),
    )


def orgs(settings: gateway_settings.Settings) -> Orgs:
    """The orgs that operations and workers work in; sets what the add-on's SDK reads from the environment."""
    for name in ("heroku_applink_api_url", "heroku_applink_token", "heroku_app_id"):
        if getattr(settings, name):
            os.environ.setdefault(name.upper(), getattr(settings, name))
    login = JwtLogin(
        login_url=settings.sf_login_url,
        consumer_key=settings.sf_consumer_key,
        username=settings.sf_username,
        private_key=settings.sf_private_key,
    )
    return Orgs(
        authorization=settings.applink_authorization,
        jwt_login=login if settings.sf_auth == "jwt" else None,
        test_domains=settings.applink_test_domains,
        callback_path=settings.applink_callback_path,
        call_seconds=settings.salesforce_timeout_seconds,
    )


def quotes(settings: gateway_settings.Settings, engine: Engine) -> Quotes:
    """What makes, changes and deletes quotes, for operations and workers."""
    defaults = PricingDefaults(region=settings.default_region, currency=settings.default_currency)
    return Quotes(engine, defaults, settings.region_field)


def domain_engine(settings: gateway_settings.Settings, *, connections: int, name: str) -> Engine:
    """Connections for the domain's own transactions, with the limits that reads have; values stay out of errors."""
    engine = database.engine(
        settings.database_url,
        application_name=name,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=settings.acquire_timeout_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
    )
    deadlines.keep(
        engine,
        most_seconds=settings.statement_timeout_seconds * DEADLINE_PER_STATEMENT,
        connect_seconds=settings.connect_timeout_seconds,
    )
    _limit_domain(engine, settings, of_transaction=settings.db_pooler == "transaction")
    return engine


def _limit_domain(engine: Engine, settings: gateway_settings.Settings, *, of_transaction: bool) -> None:
    """The server's own limits: of the session or, where that is another client's a moment later, of a transaction."""
    values = {
        "statement": str(round(settings.statement_timeout_seconds * 1000)),
        "idle": str(round(settings.idle_in_transaction_timeout_seconds * 1000)),
        "local": of_transaction,
    }

    def limit_session(connection: Any, _: object) -> None:
        connection.execute(DOMAIN_LIMITS, values)
        connection.commit()

    def prepare_nothing(connection: Any, _: object) -> None:
        connection.prepare_threshold = None

    event.listen(engine, "connect", prepare_nothing if of_transaction else limit_session)
    if of_transaction:  # else left out: a listener that does nothing still costs every transaction 0.015 ms
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(DOMAIN_LIMITS, values) and None)


def _add_applink(app: Flask, settings: gateway_settings.Settings) -> None:
    """The operations; without add-on and without SF_AUTH=jwt they say so, and everything else works."""
    platform = Platform(trusted_proxies=settings.trusted_proxies)
    app.url_map.converters["any_rest"] = endpoints.AnyRest
    set_up = settings.sf_auth == "jwt" or settings.heroku_applink_api_url
    desk, prove = _desk(settings, platform) if set_up else (None, _nobody)
    gate = endpoints.Gate(
        desk=desk,
        prove=prove,
        report=json_lines(settings.log_level),
        body_bytes=settings.applink_body_bytes,
        deadline_seconds=settings.operation_deadline_seconds,
        places=BoundedSemaphore(max(settings.web_threads - 2, 1)),
        challenge='Basic realm="gateway", charset="UTF-8"' if settings.applink_auth == "basic" else "",
        extra_headers=platform.response_headers,
    )
    app.register_blueprint(endpoints.blueprint(gate))


def _desk(settings: gateway_settings.Settings, platform: Platform) -> tuple[Desk, Prove]:
    engine = domain_engine(settings, connections=settings.operation_connections, name="gateway operations")
    known = orgs(settings)
    trust = Trust(
        known,
        mode=settings.applink_auth,
        served=settings.applink_orgs,
        test_domains=settings.applink_test_domains,
        verify_basic=_writer(settings, platform) if settings.applink_auth == "basic" else None,
    )
    desk = Desk(
        engine=engine,
        orgs=known,
        quotes=quotes(settings, engine),
        most_opportunities=settings.job_most_opportunities,
        most_open_jobs=settings.jobs_open_per_org,
        callback_seconds=settings.callback_deadline_seconds,
    )
    return desk, lambda headers, deadline: trust.prove(headers, deadline=deadline)


def _nobody(headers: Mapping[str, str], deadline: float) -> NoReturn:
    raise applink_errors.ContextMissing("Nobody can be proven without AppLink.")


def _writer(settings: gateway_settings.Settings, platform: Platform) -> Callable[[str], tuple[str, str] | None]:
    """The header Authorization -> org and name of a credential with scope write; within a request."""
    verify = Authenticator(basic=_basic(settings), platform=platform)

    def writer(header: str) -> tuple[str, str] | None:
        headers = {name.lower(): value for name, value in request.headers.items()} | {"authorization": header}
        try:
            principal = verify(headers, platform.source(headers, request.remote_addr or ""))
        except errors.Unauthorized:
            return None
        except errors.TooManyRequests as problem:
            retry = problem.headers.get("Retry-After", "60")
            raise applink_errors.TooMany(problem.message, retry_after_seconds=int(retry)) from None
        except errors.Forbidden as problem:
            raise applink_errors.NotAllowed(problem.message) from None
        except errors.Unavailable as problem:
            raise applink_errors.Unavailable(problem.message, retry_after_seconds=2) from None
        return (principal.org_id, principal.identity) if principal.scope == "write" else None

    return writer


def _database(settings: gateway_settings.Settings) -> Database:
    limits = ConnectionLimits(
        connections=settings.pool_connections,
        waiting=settings.pool_waiting_requests,
        acquire_timeout_seconds=settings.acquire_timeout_seconds,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        lock_timeout_seconds=settings.lock_timeout_seconds,
        idle_in_transaction_timeout_seconds=settings.idle_in_transaction_timeout_seconds,
        transaction_pooler=settings.db_pooler == "transaction",
    )
    replicas = [database.libpq_url(url) for url in settings.database_replica_urls]
    return Database(database.libpq_url(settings.database_url), replica_urls=replicas, limits=limits)


def _limits(settings: gateway_settings.Settings) -> Limits:
    """Every limit of reading has the name of its setting."""
    same = {one.name: getattr(settings, one.name) for one in fields(Limits) if hasattr(settings, one.name)}
    return Limits(**same)


def _authenticator(settings: gateway_settings.Settings) -> Authenticator:
    if settings.odata_auth == "anonymous":
        log.warning("ODATA_AUTH=anonymous: everybody may read the rows of %s", settings.anonymous_org)
    return Authenticator(
        basic=_basic(settings),
        bearer=_bearer(settings),
        anonymous=_anonymous(settings),
        platform=Platform(trusted_proxies=settings.trusted_proxies),
    )


def _basic(settings: gateway_settings.Settings) -> Basic:
    return Basic(
        _credentials(settings),
        Hashing(credential.verify_hash, credential.hash_secret(token_urlsafe(24))),
        BasicLimits(failures_per_minute=settings.login_failures_per_minute),
    )


def _credentials(settings: gateway_settings.Settings) -> FindCredential:
    """Look-ups of credentials, each over a connection of its own that cannot write: each is believed for a minute."""
    url = database.libpq_url(settings.database_url)

    def find(username: str) -> credential.CredentialRow | None:
        with brief_connection(
            url, name="gateway login", connect_seconds=settings.connect_timeout_seconds
        ) as connection:
            return credential.find(connection, username)

    return find


def _anonymous(settings: gateway_settings.Settings) -> Principal | None:
    if settings.odata_auth != "anonymous":
        return None
    org_id = widen_record_id(settings.anonymous_org)
    return Principal(identity="anonymous", org_id=org_id, profile=cast(Profile, settings.anonymous_profile))


def _bearer(settings: gateway_settings.Settings) -> Bearer | None:
    if not settings.jwt_issuer:
        return None
    from odata.protocol.bearer import Bearer, TokenRules  # PyJWT with cryptography: 8 MB that Basic does without

    rules = TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        org_claim=settings.jwt_org_claim,
        profile=cast(Profile, settings.jwt_profile),
        scope="write" if settings.jwt_scope == "write" else "read",
    )
    return Bearer(rules, _issuer_keys(settings))


def _issuer_keys(settings: gateway_settings.Settings) -> Keys:
    from odata.protocol.keys import FileKey, PublishedKeys

    if not settings.jwt_key_file:
        return PublishedKeys(settings.jwt_jwks_url, cast("Algorithm", settings.jwt_algorithm))
    try:
        key = FileKey(settings.jwt_key_file)
    except (OSError, ValueError) as problem:
        raise gateway_settings.SettingsError(f"JWT_KEY_FILE cannot be used: {problem}") from None
    if key.algorithm != settings.jwt_algorithm:
        raise gateway_settings.SettingsError(
            f"JWT_ALGORITHM is {settings.jwt_algorithm}, but the key of JWT_KEY_FILE is one for {key.algorithm}"
        )
    return key
