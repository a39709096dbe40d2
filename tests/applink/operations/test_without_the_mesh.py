"""Operations where Heroku AppLink is not in between: tokens by JWT, credentials of the gateway's own."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from models import credential
from simulator.caller import ABSENT, Reply
from simulator.running import free_port
from tests.applink.conftest import Served


def test_tokens_of_ones_own_by_jwt(served: Served) -> None:
    """SF_AUTH=jwt: no add-on is asked for anything."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    port = free_port()
    settings = {
        "HEROKU_APPLINK_API_URL": "",
        "HEROKU_APPLINK_TOKEN": "",
        "SF_AUTH": "jwt",
        "SF_LOGIN_URL": f"http://127.0.0.1:{port}",
        "SF_CONSUMER_KEY": "3MVG9.test",
        "SF_USERNAME": "worker@acme.example",
        "SF_PRIVATE_KEY": pem.replace("\n", "\\n"),
    }
    with served("jwt", port=port, variables=settings) as place:
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        place.simulator.add_consumer("3MVG9.test", public)
        body = {"opportunityIds": place.simulator.opportunities(1, user="ann")}
        reply = place.ask("startQuotes", body, through="direct")
        assert reply.status == 201, reply.body
        assert place.simulator.requests("/addons/") == [] and place.simulator.requests("/services/oauth2/token")


def test_credentials_of_ours_work_as_the_named_authorization(served: Served) -> None:
    with served("basic", variables={"APPLINK_AUTH": "basic"}) as place:
        with place.engine.begin() as connection:
            secrets = {
                scope: credential.create(connection, org_id="00DbZ0000000001UAA", scope=scope)
                for scope in ("read", "write")
            }

        def ask(header: str) -> Reply:
            opportunity = place.simulator.special("apac")
            sent = {"x-client-context": ABSENT, "Authorization": header}
            return place.ask("createQuote", {"opportunityId": opportunity}, through="direct", headers=sent)

        def basic(name: str, secret: str) -> str:
            return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()

        made = ask(basic(secrets["write"].username, secrets["write"].secret))
        assert made.status == 200, made.body
        assert {one["user"] for one in place.simulator.requests("/services/data/")} == {"worker@acme.example"}
        for header in (ABSENT, basic(secrets["read"].username, secrets["read"].secret), basic("nobody", "x")):
            reply = ask(header)
            assert reply.status == 401 and reply.answer.header("www-authenticate").startswith("Basic ")
