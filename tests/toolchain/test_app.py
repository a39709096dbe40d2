"""The composition root: what its settings join together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import abort

from app import create_app, http
from local.servers import PROJECT
from settings import SettingsError, load

ORG = "00D000000000001"


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def variables(key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> dict[str, str]:
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    return {
        "DATABASE_URL": "postgresql:///none", "GATEWAY_SECRET": "s" * 32, "JWT_ISSUER": "https://issuer.example",
        "JWT_AUDIENCE": "gateway", "JWT_KEY_FILE": str(tmp_path / "key.pem"), "JWT_ALGORITHM": "ES256",
    }  # fmt: skip


def test_a_bearer_token_gets_the_profile_and_scope_of_the_settings(
    variables: dict[str, str], key: ec.EllipticCurvePrivateKey
) -> None:
    claims = {"iss": "https://issuer.example", "aud": "gateway", "exp": int(time.time()) + 60, "company": ORG}
    settings = load(variables | {"JWT_PROFILE": "salesforce", "JWT_SCOPE": "write", "JWT_ORG_CLAIM": "company"})
    verify = http(settings).verify
    who = verify({"authorization": f"Bearer {jwt.encode(claims, key, 'ES256')}"}, "")
    assert (who.org_id, who.profile, who.scope) == ("00D000000000001EAA", "salesforce", "write")


def test_a_key_for_another_algorithm_is_one_clear_line(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="JWT_ALGORITHM is RS256, but the key of JWT_KEY_FILE is one for ES256"):
        http(load(variables | {"JWT_ALGORITHM": "RS256"}))
    with pytest.raises(SettingsError, match=r"JWT_KEY_FILE cannot be used: .*No such file"):
        http(load(variables | {"JWT_KEY_FILE": "nowhere.pem"}))


@pytest.mark.parametrize(("threads", "waiting"), [("1", 1), ("2", 1), ("3", 1), ("4", 2), ("8", 6), ("64", 62)])
def test_so_many_requests_may_wait(threads: str, waiting: int) -> None:
    assert load({"WEB_THREADS": threads}).pool_waiting_requests == waiting


def test_what_flask_refuses_has_a_code_of_the_table(variables: dict[str, str]) -> None:
    """Also for a status that nobody thought of: no code that is not in README."""
    flask = create_app(load(variables))
    flask.add_url_rule("/teapot", view_func=lambda: abort(418))
    client = flask.test_client()
    for path, status, code in (("/nothing", 404, "NotFound"), ("/teapot", 400, "BadRequest")):
        answer = client.get(path)
        assert (answer.status_code, json.loads(answer.data)["error"]["code"]) == (status, code)
    answer = client.post("/healthcheck")
    assert (answer.status_code, json.loads(answer.data)["error"]["code"]) == (405, "MethodNotAllowed")
    assert "GET" in answer.headers["Allow"] and "" not in answer.headers["Allow"].split(", ")


def test_readiness_without_a_database_is_503(variables: dict[str, str]) -> None:
    flask = create_app(load(variables | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}))
    answer = flask.test_client().get("/readiness")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


def test_what_web_may_do_without_is_not_loaded() -> None:
    """Alembic with Mako, and PyJWT with cryptography: 15 MB of every process."""
    told = "import app, sys; print(sorted({'alembic', 'mako', 'jwt', 'cryptography'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
