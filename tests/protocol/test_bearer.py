"""Bearer tokens: what is proven, twelve forgeries, and how seldom the issuer is asked for keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from odata.errors import Unauthorized, Unavailable
from odata.protocol.auth import Authenticator
from odata.protocol.bearer import Bearer, TokenRules
from odata.protocol.keys import FileKey, PublishedKeys
from odata.service import Principal

ORG = "00D000000000001AAA"
ISSUER, AUDIENCE = "https://issuer.example", "gateway"
RULES = TokenRules(issuer=ISSUER, audience=AUDIENCE, profile="salesforce")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE_KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that are right; a change to None takes one away."""
    now = int(time.time())
    right = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 300, "iat": now, "sub": "report", "org_id": ORG}
    return {name: value for name, value in (right | changes).items() if value is not None}


def token(key: Any = KEY, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": "one"} | (headers or {}))


def by_hand(header: dict[str, Any], secret: bytes | None, **changes: Any) -> str:
    """A token that no library would make: unsigned, or signed with HMAC by a public key."""
    parts = [_encoded(json.dumps(one).encode()) for one in (header, claims(**changes))]
    signature = b"" if secret is None else hmac.digest(secret, ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, _encoded(signature)])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def verify(tmp_path: Path) -> Authenticator:
    (tmp_path / "key.pem").write_bytes(PEM)
    return Authenticator(bearer=Bearer(RULES, FileKey(tmp_path / "key.pem")))


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def identity(subject: str, org_id: str = ORG) -> str:
    return f"jwt:{org_id}:{hashlib.sha256(subject.encode()).hexdigest()[:16]}"


def test_subjects_of_two_orgs_are_two_callers(verify: Authenticator) -> None:
    """Limits and the log tell them apart, long ones with one beginning, too."""
    long = "x" * 120
    tokens = [token(), token(org_id="00D000000000002AAA"), token(sub=long + "1"), token(sub=long + "2")]
    assert len({verify(bearer(one), "").identity for one in tokens}) == 4


def test_a_right_token_names_the_org(verify: Authenticator) -> None:
    expected = Principal(identity=identity("report"), org_id=ORG, profile="salesforce", scope="read")
    for _ in range(2):
        assert verify(bearer(token(aud=[AUDIENCE, "another"])), "") == expected
    assert verify(bearer(token(exp=int(time.time()) - 20)), "") == expected, "30 seconds of leeway"


def test_an_org_of_15_characters_is_widened(verify: Authenticator) -> None:
    assert verify(bearer(token(org_id=ORG[:15])), "").org_id == "00D000000000001EAA"


FORGERIES: dict[str, Callable[[], str]] = {
    "alg none": lambda: by_hand({"alg": "none", "typ": "JWT", "kid": "one"}, None),
    "signature cut off": lambda: token().rpartition(".")[0] + ".",
    "HS256 with the public key as secret": lambda: by_hand({"alg": "HS256", "kid": "one"}, PEM),
    "HS256 with the JWK as secret": lambda: by_hand(
        {"alg": "HS256", "kid": "one"}, RSAAlgorithm.to_jwk(KEY.public_key()).encode()
    ),
    "a key within the token": lambda: token(
        OTHER_KEY, headers={"jwk": RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)}
    ),
    "another key": lambda: token(OTHER_KEY),
    "another family": lambda: token(CURVE_KEY, "ES256"),
    "another hash": lambda: token(algorithm="RS512"),
    "another audience": lambda: token(aud="elsewhere"),
    "another issuer": lambda: token(iss="https://evil.example"),
    "expired": lambda: token(exp=int(time.time()) - 60),
    "not yet valid": lambda: token(nbf=int(time.time()) + 120),
    "crit": lambda: token(headers={"crit": ["exp"], "exp": 1}),
    "huge": lambda: token(filler="x" * 10_000),
    "without exp": lambda: token(exp=None),
    "without aud": lambda: token(aud=None),
    "without iss": lambda: token(iss=None),
    "without org": lambda: token(org_id=None),
    "org of another form": lambda: token(org_id="' OR 1=1"),
    "org that is no text": lambda: token(org_id=["00D000000000001AAA"]),
    "exp that is no number": lambda: by_hand({"alg": "RS256", "kid": "one"}, b"x", exp="tomorrow"),
    "kid that is no text": lambda: by_hand({"alg": "RS256", "kid": {"a": 1}}, b"x"),
    "claims changed after signing": lambda: ".".join(
        [(parts := token().split("."))[0], _encoded(json.dumps(claims(sub="admin")).encode()), parts[2]]
    ),
    "no token": lambda: "a.b.c",
    "nothing": lambda: "",
    "nested too deep": lambda: ".".join([_encoded(b"[" * 2000), _encoded(b"{}"), ""]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_401(verify: Authenticator, forgery: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        verify(bearer(FORGERIES[forgery]()), "")
    assert caught.value.headers["WWW-Authenticate"] == 'Bearer realm="gateway"'


def test_a_file_without_a_strong_public_key_is_refused(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    (tmp_path / "weak.pem").write_bytes(
        weak.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(ValueError, match="2048"):
        FileKey(tmp_path / "weak.pem")


class Issuer:
    """An https server that publishes keys; answer may be replaced."""

    def __init__(self, folder: Path) -> None:
        self.answer: tuple[int, bytes] = (200, key_set({"one": KEY}))
        self.asked = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                status, body = issuer.answer
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        certificate = self_signed(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.trusting = ssl.create_default_context(cafile=str(certificate))
        self.url = f"https://127.0.0.1:{self.server.server_port}/keys"


def key_set(keys: dict[str, rsa.RSAPrivateKey]) -> bytes:
    entries = [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid} for kid, key in keys.items()]
    others = [
        ECAlgorithm.to_jwk(CURVE_KEY.public_key(), as_dict=True) | {"kid": "curve"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {"kty": "RSA", "kid": "broken"},
    ]
    return json.dumps({"keys": entries + others}).encode()


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "issuer.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    one = Issuer(tmp_path)
    thread = threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def published(issuer: Issuer, clock: list[float]) -> PublishedKeys:
    return PublishedKeys(issuer.url, context=issuer.trusting, clock=lambda: clock[0])


def test_published_keys_are_fetched_once_in_ten_minutes(
    issuer: Issuer, published: PublishedKeys, clock: list[float]
) -> None:
    verify = Authenticator(bearer=Bearer(RULES, published))
    for number in range(20):
        assert verify(bearer(token(sub=str(number))), "").identity == identity(str(number))
    assert issuer.asked == 1
    clock[0] += 601
    issuer.answer = (500, b"")
    assert verify(bearer(token(sub="later")), "").identity == identity("later"), (
        "an issuer that is down changes nothing"
    )
    assert issuer.asked == 2


def test_unknown_key_ids_do_not_make_us_ask_more_than_once_a_minute(
    issuer: Issuer, published: PublishedKeys, clock: list[float]
) -> None:
    verify = Authenticator(bearer=Bearer(RULES, published))
    verify(bearer(token()), "")
    for number in range(1000):
        clock[0] += 0.1
        with pytest.raises(Unauthorized):
            verify(bearer(by_hand({"alg": "RS256", "kid": f"unknown {number}"}, b"x")), "")
    assert issuer.asked <= 1 + 100 / 60


def test_a_new_key_of_the_issuer_is_found(issuer: Issuer, published: PublishedKeys, clock: list[float]) -> None:
    verify = Authenticator(bearer=Bearer(RULES, published))
    verify(bearer(token()), "")
    issuer.answer = (200, key_set({"one": KEY, "two": OTHER_KEY}))
    clock[0] += 61
    assert verify(bearer(token(OTHER_KEY, headers={"kid": "two"})), "").org_id == ORG


@pytest.mark.parametrize(
    "answer", [(302, b""), (200, b"{"), (200, b"[]"), (200, b'{"keys": [1]}'), (200, b" " * 300_000), (404, b"")]
)
def test_without_keys_it_is_503_not_401(issuer: Issuer, published: PublishedKeys, answer: tuple[int, bytes]) -> None:
    issuer.answer = answer
    verify = Authenticator(bearer=Bearer(RULES, published))
    with pytest.raises(Unavailable):
        verify(bearer(token()), "")
    assert issuer.asked == 1


def test_keys_come_over_https_only() -> None:
    with pytest.raises(ValueError, match="https"):
        PublishedKeys("http://issuer.example/keys")


@pytest.mark.parametrize("kid", ["secret", "curve", "broken"])
def test_entries_of_another_kind_are_no_keys(published: PublishedKeys, kid: str) -> None:
    assert published.find(kid) is None
    assert published.find("one") is not None
