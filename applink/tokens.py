"""Where the token of a named authorization comes from: the AppLink add-on through the SDK, or JWT bearer (SF_AUTH).

In: a name, or a login. Out: a new `Session`. Errors of the SDK and of aiohttp hold headers, so none gets out of here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
from heroku_applink import get_authorization

from applink import refusals
from applink.errors import NotAuthorized, OperationError, OrgNotAllowed, OrgUnavailable
from applink.sending import Answer, Call, Sender, Session, meaning
from odata.edm.record_ids import is_org_id, widen_record_id

API_VERSION: Final = "64.0"
"""Of sessions by JWT bearer; the add-on says which one its authorizations have."""
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS: Final = 120
"""How long an assertion is good for; Salesforce takes 180 at most."""
LEAST_OFF_SECONDS: Final = 30.0
MOST_OFF_SECONDS: Final = 86_400.0
"""By how much the clock here may differ from the org's before it matters, and beyond which nobody is followed."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtLogin:
    """JWT bearer: a user of an org that has approved this consumer. private_key: PEM; login_url: no slash at its end.

    audience: what the token is for; the login URL unless said otherwise.
    """

    login_url: str
    consumer_key: str
    username: str
    private_key: str = field(repr=False)
    audience: str = ""


async def from_addon(name: str, deadline: float) -> Session:
    """A session from the AppLink add-on, through the SDK. Raises: OrgNotAllowed, OrgUnavailable."""
    what = f"the token of the authorization {name}"
    failure: OperationError
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            found = await get_authorization(name)
        await found.connection.close()
        return _authorized(found)
    except aiohttp.ClientResponseError as error:
        failure = _addon_refused(name, error.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        failure = OrgUnavailable(f"The AppLink add-on gave no answer to {what} ({type(error).__name__}).")
    except OSError as error:
        failure = OrgUnavailable(f"The AppLink add-on is not set up: {error}")
    except (ValueError, LookupError, TypeError, AttributeError):
        failure = OrgUnavailable(f"The AppLink add-on gave an answer that cannot be read to {what}.")
    raise failure


def _addon_refused(name: str, status: int) -> OperationError:
    if status == 404:
        return OrgNotAllowed(f"The AppLink add-on has no authorization named {name} (APPLINK_AUTHORIZATION).")
    return OrgUnavailable(f"The AppLink add-on answered {status} when asked for the authorization {name}.")


def _authorized(found: Any) -> Session:
    if found.status != "authorized":
        raise NotAuthorized(f"The authorization {found.org.developer_name} is {found.status}, not authorized.")
    user = found.org.user_auth
    return Session(
        org_id=widen_record_id(found.org.id),
        domain_url=origin(found.org.instance_url),
        api_version=found.org.api_version.removeprefix("v"),
        username=user.username,
        user_id=widen_record_id(user.user_id) if user.user_id else None,
        access_token=user.access_token,
    )


class _ClockDiffers(OrgNotAllowed):
    """Refused, and the org's clock shows another time. seconds: to be added to that of here."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, code="OrgNotAllowed")
        self.seconds = seconds


async def by_jwt(
    sender: Sender, login: JwtLogin, deadline: float, *, clock: Callable[[], float] = time.time
) -> Session:
    """A session by JWT bearer (RS256, two minutes); where the clock here is off, once more by that of the org.

    Raises: OrgNotAllowed when the login is refused, OrgUnavailable.
    """
    try:
        return await _signed_in(sender, login, deadline, clock)
    except _ClockDiffers as refused:
        seconds = refused.seconds
    log.warning("clock=off org_ahead_seconds=%d user=%s", seconds, login.username)
    return await _signed_in(sender, login, deadline, lambda: clock() + seconds)


async def _signed_in(sender: Sender, login: JwtLogin, deadline: float, clock: Callable[[], float]) -> Session:
    import jwt  # with cryptography 8 MB, which the add-on's tokens do without

    claims = {
        "iss": login.consumer_key,
        "sub": login.username,
        "aud": login.audience or login.login_url,
        "exp": int(clock()) + ASSERTION_SECONDS,
    }
    try:
        assertion = jwt.encode(claims, login.private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        assertion = ""
    if not assertion:
        raise OrgUnavailable("SF_PRIVATE_KEY is not an RSA private key in PEM.")
    call = Call(
        method="POST",
        path="/services/oauth2/token",
        body=urlencode({"grant_type": GRANT, "assertion": assertion}).encode(),
        content_type="application/x-www-form-urlencoded",
        read=lambda answer: _granted(login, answer, clock()),
        what=f"the sign-in of {login.username}",
        any_status=True,
    )
    return meaning(call, await sender.exchange(call, login.login_url, {}, deadline, request_id=None))


def _granted(login: JwtLogin, answer: Answer, now: float) -> Session:
    if answer.status >= 500:
        raise refusals.of_answer(answer.status, b"", what=f"the sign-in of {login.username}", writes=False)
    found = json.loads(answer.body)
    if answer.status != 200:
        raise _refused(login, found, _ahead(answer.date, now))
    org_id, user_id = urlsplit(found["id"]).path.split("/")[-2:]
    if not is_org_id(org_id):
        raise ValueError("the answer names no org")
    return Session(
        org_id=widen_record_id(org_id),
        domain_url=origin(found["instance_url"]),
        api_version=API_VERSION,
        username=login.username,
        user_id=widen_record_id(user_id),
        access_token=str(found["access_token"]),
    )


def _refused(login: JwtLogin, found: Mapping[str, Any], ahead: float) -> OrgNotAllowed:
    reason = f"{found['error']}: {found.get('error_description', '')}"[:200]
    said = f"Signing in as {login.username} by JWT was refused ({reason})."
    if found["error"] != "invalid_grant" or abs(ahead) < LEAST_OFF_SECONDS:
        return OrgNotAllowed(said)
    said += f" The clock here and that of the org differ by {abs(ahead):.0f} seconds."
    return _ClockDiffers(said, ahead) if abs(ahead) <= MOST_OFF_SECONDS else OrgNotAllowed(said)


def _ahead(date: str, now: float) -> float:
    """By how many seconds the org's clock is ahead, 0 where it says no time."""
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return 0.0


def origin(url: str) -> str:
    """Scheme, host and port of a domain, https:// where it has no scheme. Raises: ValueError."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise ValueError("not the address of an org")
    return f"{parts.scheme}://{parts.netloc.lower()}"
