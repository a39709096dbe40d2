"""The real gateway behind the mesh: what is public works as without it, and nothing follows the Host that it sees."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from local.web import Web
from simulator import context, mesh
from simulator.context import Caller, Target
from simulator.exchange import Answer, send
from simulator.mesh import Mesh, MeshServer
from tests.conftest import StartGateway
from tests.simulator.stand_in import Said, listening

PUBLIC = "https://quotes.example.com"
NOBODY = Caller(
    org_id="00DbZ0000000001UAA",
    org_domain_url="https://acme.my.salesforce.com",
    user_id="005bZ0000000001UAA",
    username="ann@acme.example",
    access_token="t",
)


@pytest.fixture(scope="module")
def gateway(gateway_server: StartGateway, seeded_url: str) -> Web:
    return gateway_server(seeded_url, PUBLIC_URL=PUBLIC, ODATA_AUTH="anonymous", ANONYMOUS_ORG="00DbZ0000000001UAA")


@pytest.fixture(scope="module")
def through(gateway: Web) -> Iterator[MeshServer]:
    with listening() as addon:
        addon.speak = lambda request: Said(body=b"{}")
        own = Mesh(target=gateway.url, addon_url=addon.url, addon_token="t", rules=mesh.project_rules(), seconds=30)
        with mesh.serving(own) as server:
            yield server


def get(server: MeshServer, target: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(f"{server.url}{target}", "GET", named, seconds=30)


@pytest.mark.parametrize("target", ["/", "/healthcheck", "/readiness", "/odata/v4/", "/odata/v4/$metadata"])
def test_what_is_public_passes(through: MeshServer, target: str) -> None:
    assert get(through, target).status == 200


def test_links_never_name_the_host_behind_the_mesh(through: MeshServer, gateway: Web) -> None:
    answer = get(through, "/odata/v4/Quotes?$select=Id", Prefer="odata.maxpagesize=2")
    page = answer.json()
    assert page["@odata.context"].startswith(f"{PUBLIC}/odata/v4/$metadata")
    assert page["@odata.nextLink"].startswith(f"{PUBLIC}/odata/v4/Quotes?")
    assert str(gateway.port).encode() not in answer.body
    following = get(through, page["@odata.nextLink"].removeprefix(PUBLIC))
    assert following.status == 200 and following.json()["value"]


def test_a_long_url_passes(through: MeshServer) -> None:
    head, tail = "/odata/v4/Quotes?$top=1&$filter=Name%20eq%20'", "'"
    target = f"{head}{'x' * (8_100 - len(head) - len(tail))}{tail}"
    assert len(target) == 8_100
    assert get(through, target).status == 200


def test_a_missing_slash_is_followed_or_refused_but_never_redirects_to_the_inside(through: MeshServer) -> None:
    answer = get(through, "/odata/v4")
    assert answer.status in (200, 404) and not answer.header("location")


def test_compression_is_the_clients_choice(through: MeshServer) -> None:
    plain = get(through, "/odata/v4/Quotes?$top=50")
    packed = get(through, "/odata/v4/Quotes?$top=50", Accept_Encoding="gzip")
    assert (plain.header("content-encoding"), packed.header("content-encoding")) == ("", "gzip")
    assert len(packed.body) < len(plain.body) and json.loads(plain.body)


def test_operations_are_behind_the_mesh(through: MeshServer) -> None:
    answer = send(f"{through.url}/applink/createQuote", "POST", {}, b"{}", seconds=30)
    assert (answer.status, answer.body) == (401, b"401 Invalid request\n")


@pytest.mark.parametrize("prefix", ["/odata/../applink", "/odata/%2e%2e/applink", "/odata%2F..%2Fapplink"])
def test_dots_do_not_lead_to_an_operation(through: MeshServer, prefix: str) -> None:
    """They pass the mesh, as on Heroku; the gateway must not resolve them to a route of its own."""
    headers = context.headers(NOBODY, Target(resource="/applink/createQuote"), "r-1")
    answer = send(f"{through.url}{prefix}/createQuote", "POST", headers, b"{}", seconds=30)
    assert answer.status in (400, 404, 405) and b"quoteId" not in answer.body


def test_a_login_in_a_header_arrives(through: MeshServer) -> None:
    login = base64.b64encode(b"nobody:nothing").decode()
    assert get(through, "/odata/v4/Quotes?$top=1", Authorization=f"Basic {login}").status in (200, 401)
