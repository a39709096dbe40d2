"""Signing in: the token endpoint (JWT bearer) and userinfo."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import parse_qs

import jwt

from simulator.calls import Answer, Call
from simulator.world import Org, World

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST_LIFE: Final = 180
"""Seconds that an assertion may still be valid."""


def token(world: World, call: Call) -> Answer:
    """POST /services/oauth2/token: an access token for a signed assertion."""
    form = {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
    if form.get("grant_type") != GRANT:
        return _refused("unsupported_grant_type", "grant type not supported")
    assertion = form.get("assertion", "")
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return _refused("invalid_grant", "invalid assertion")
    public_key = world.consumers.get(str(claims.get("iss")))
    if public_key is None:
        return _refused("invalid_client_id", "client identifier invalid")
    audiences = ["https://login.salesforce.com", "https://test.salesforce.com", *map(world.domain, world.orgs.values())]
    try:
        claims = jwt.decode(
            assertion, public_key, algorithms=["RS256"], audience=audiences, options={"verify_exp": False}
        )
    except jwt.InvalidAudienceError:
        return _refused("invalid_grant", "audience is invalid")
    except jwt.InvalidTokenError:
        return _refused("invalid_grant", "invalid assertion")
    if not time.time() < float(claims.get("exp", 0)) <= time.time() + LONGEST_LIFE:
        return _refused("invalid_grant", "expired authorization code")
    return _granted(world, str(claims.get("sub")))


def _granted(world: World, username: str) -> Answer:
    for org in world.orgs.values():
        user = org.users.get(username)
        if user is not None:
            body = {
                "access_token": org.token(username),
                "scope": "api",
                "instance_url": world.domain(org),
                "id": f"{world.domain(org)}/id/{org.id}/{user.id}",
                "token_type": "Bearer",
            }
            return Answer(body=body)
    return _refused("invalid_grant", "user hasn't approved this consumer")


def _refused(error: str, description: str) -> Answer:
    return Answer(status=400, body={"error": error, "error_description": description})


def userinfo(world: World, call: Call) -> Answer:
    """GET /services/oauth2/userinfo: who a token belongs to."""
    if call.org is None or call.user is None:
        return Answer(status=403, body="Bad_OAuth_Token" if call.token else "Missing_OAuth_Token", type="text/html")
    domain = world.domain(call.org)
    body = {
        "sub": f"{domain}/id/{call.org.id}/{call.user.id}",
        "user_id": call.user.id,
        "organization_id": call.org.id,
        "preferred_username": call.user.username,
        "nickname": call.user.username.partition("@")[0],
        "name": call.user.name,
        "email": call.user.username,
        "email_verified": True,
        "active": True,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 3600000,
        "urls": _urls(call.org, domain),
    }
    return Answer(body=body)


def _urls(org: Org, domain: str) -> dict[str, str]:
    rest = f"{domain}/services/data/v{{version}}/"
    return {
        "rest": rest,
        "sobjects": f"{rest}sobjects/",
        "query": f"{rest}query/",
        "profile": f"{domain}/{org.id}",
        "custom_domain": domain,
    }
