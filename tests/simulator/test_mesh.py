"""The mesh double keeps the rules of the real one: what passes, what is refused, what a request looks like after it."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message

import pytest

from simulator import context, mesh, mesh_rules
from simulator.context import Caller, Target
from simulator.mesh import Mesh, MeshServer
from simulator.mesh_rules import Refused, Rules, RulesError
from tests.simulator.stand_in import Arrived, Said, StandIn, listening

ANN = Caller(
    org_id="00DbZ0000000001UAA",
    org_domain_url="http://127.0.0.1:8010",
    user_id="005bZ0000000001UAA",
    username="ann@acme.example",
    access_token="token-of-ann",
)
BYPASS = ("/odata", "/odata/*", "/healthcheck", "/readiness", "/")
NOWHERE = Mesh(target="http://127.0.0.1:1", addon_url="http://127.0.0.1:1", addon_token="", rules=Rules())
Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Message
    content: bytes


Send = Callable[..., Answer]


@pytest.fixture(scope="module")
def listeners() -> Iterator[tuple[StandIn, StandIn, MeshServer]]:
    """Gateway, add-on and the mesh between them, for all tests of this file."""
    with listening() as gateway, listening() as addon, mesh.serving(NOWHERE) as server:
        yield gateway, addon, server


@pytest.fixture
def gateway(listeners: tuple[StandIn, StandIn, MeshServer]) -> StandIn:
    return listeners[0].reset()


@pytest.fixture
def addon(listeners: tuple[StandIn, StandIn, MeshServer]) -> StandIn:
    return listeners[1].reset()


@pytest.fixture
def proxy(gateway: StandIn, addon: StandIn, listeners: tuple[StandIn, StandIn, MeshServer]) -> MeshServer:
    server = listeners[2]
    server.mesh = Mesh(
        target=gateway.url,
        addon_url=f"{addon.url}/addons/a1",
        addon_token="addon-secret",
        rules=Rules(bypass=BYPASS),
        seconds=10,
    )
    return server


@pytest.fixture
def send(proxy: MeshServer) -> Iterator[Send]:
    """Requests over one connection, which stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.server_port, timeout=10)

    def ask(method: str, target: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(status=answer.status, headers=answer.headers, content=answer.read())

    yield ask
    connection.close()


def invocation(**changes: str) -> dict[str, str]:
    """The three headers of one invocation."""
    request_id = context.new_request_id(ANN)
    return context.headers(ANN, Target(resource="/applink/createQuote"), request_id) | changes


def test_an_invocation_is_proven_and_forwarded(send: Send, gateway: StandIn, addon: StandIn) -> None:
    headers = invocation()
    answer = send("POST", "/applink/createQuote?x=%2f", {**headers, "content-type": "application/json"}, b'{"a": 1}')
    assert (answer.status, answer.content) == (200, b"ok")
    [asked], [arrived] = addon.arrived, gateway.arrived
    assert (asked.method, asked.target) == ("POST", "/addons/a1/invocations/authentication")
    assert asked.all("authorization") == ["Bearer addon-secret"]
    assert asked.all("request_id") == [headers["x-request-id"]]
    sent = context.decode(headers["x-request-context"])
    assert json.loads(asked.body) == {
        "org_domain_url": ANN.org_domain_url,
        "core_jwt_token": sent["auth"],
        "org_id": ANN.org_id,
        "app_uuid": "app-1",
    }
    assert (arrived.method, arrived.target, arrived.body) == ("POST", "/applink/createQuote?x=%2f", b'{"a": 1}')
    assert arrived.all("x-client-context") == [headers["x-client-context"]]
    assert arrived.all("x-request-context") == []
    assert arrived.all("x-request-id") == [headers["x-request-id"]]


def test_the_gateway_sees_its_own_host(send: Send, gateway: StandIn) -> None:
    send("GET", "/odata/v4/", {"X-Forwarded-Proto": "https"})
    assert gateway.arrived[0].all("host") == [f"127.0.0.1:{gateway.port}"]
    assert gateway.arrived[0].all("x-forwarded-proto") == ["https"]


def test_of_repeated_headers_the_last_is_left(send: Send, gateway: StandIn) -> None:
    send("GET", "/odata/v4/", [("X-One", "a"), ("x-one", "b"), ("Accept", "text/html"), ("accept", "application/json")])
    assert gateway.arrived[0].all("x-one") == ["b"]
    assert gateway.arrived[0].all("accept") == ["application/json"]


def test_a_second_context_replaces_the_first(send: Send, gateway: StandIn) -> None:
    headers = list(invocation().items())
    send("POST", "/applink/createQuote", [*headers, ("X-CLIENT-CONTEXT", "second")], b"{}")
    assert gateway.arrived[0].all("x-client-context") == ["second"]


def test_a_request_id_is_made_when_there_is_none(send: Send, gateway: StandIn) -> None:
    answer = send("GET", "/healthcheck")
    assert gateway.arrived[0].all("x-request-id") == [answer.headers["x-request-id"]]
    assert len(answer.headers["x-request-id"]) == 36


REFUSED = [
    ("nothing of Salesforce", {"x-request-context": "", "x-client-context": ""}, 401, b"401 Invalid request\n"),
    ("only the client's", {"x-request-context": ""}, 400, b"400 Invalid request\n"),
    ("only the request's", {"x-client-context": ""}, 400, b"400 Invalid request\n"),
    ("no base64", {"x-request-context": "%%%"}, 400, b"400 Invalid x-request-context header\n"),
    ("no JSON", {"x-request-context": base64.b64encode(b"{").decode()}, 400, b"400 Invalid x-request-context header\n"),
    ("no object", {"x-request-context": context.encode([1])}, 400, b"400 Invalid x-request-context header\n"),
    ("null", {"x-request-context": context.encode(None)}, 400, b"400 Invalid x-request-context header\n"),
    ("another request's id", {"x-request-id": "another"}, 400, b"400 Invalid x-request-context header\n"),
    ("no request id", {"x-request-id": ""}, 400, b"400 Invalid x-request-context header\n"),
]


@pytest.mark.parametrize(("changes", "status", "body"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_malformed_stays_outside(
    send: Send, gateway: StandIn, addon: StandIn, changes: dict[str, str], status: int, body: bytes
) -> None:
    headers = {name: value for name, value in invocation(**changes).items() if value}
    answer = send("POST", "/applink/createQuote", headers, b"{}")
    assert (answer.status, answer.content) == (status, body)
    assert gateway.arrived == addon.arrived == []


@pytest.mark.parametrize("member", mesh_rules.CONTEXT_MEMBERS)
@pytest.mark.parametrize("value", ["", None, 7], ids=["empty", "absent", "number"])
def test_every_member_of_the_request_context_is_needed(
    send: Send, gateway: StandIn, member: str, value: object
) -> None:
    headers = invocation()
    whole = context.decode(headers["x-request-context"])
    whole[member] = value
    members = {name: held for name, held in whole.items() if held is not None}
    answer = send("POST", "/applink/createQuote", headers | {"x-request-context": context.encode(members)}, b"{}")
    assert answer.status == 400 and gateway.arrived == []


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [(401, 403, b"Forbidden\n"), (403, 403, b"Forbidden\n"), (404, 404, b"gone\n"), (503, 503, b"gone\n")],
)
def test_what_the_addon_says_decides(
    send: Send, gateway: StandIn, addon: StandIn, said: int, status: int, body: bytes
) -> None:
    addon.speak = lambda request: Said(status=said, body=b"gone")
    answer = send("POST", "/applink/createQuote", invocation(), b"{}")
    assert (answer.status, answer.content) == (status, body)
    assert gateway.arrived == []


def test_an_addon_out_of_reach_is_500(proxy: MeshServer, gateway: StandIn, send: Send) -> None:
    proxy.mesh = replace(proxy.mesh, addon_url=f"http://127.0.0.1:{closed_port()}")
    assert send("POST", "/applink/createQuote", invocation(), b"{}").status == 500
    assert gateway.arrived == []


def test_a_gateway_out_of_reach_is_502(proxy: MeshServer, send: Send) -> None:
    proxy.mesh = replace(proxy.mesh, target=f"http://127.0.0.1:{closed_port()}")
    answer = send("GET", "/odata/v4/", {"x-request-id": "r-1"})
    assert (answer.status, answer.content) == (502, b"Failed to forward request r-1\n")


def test_a_data_action_is_asked_elsewhere(send: Send, gateway: StandIn, addon: StandIn) -> None:
    answer = send("POST", "/datacloud?orgId=00D1&apiName=Changed", {"x-signature": "seal"}, b'{"a":1}')
    assert answer.status == 200
    [asked] = addon.arrived
    assert asked.target == "/addons/a1/data_action_targets/authenticate"
    expected = {"api_name": "Changed", "org_id": "00D1", "signature": "seal", "payload": '{"a":1}'}
    assert json.loads(asked.body) == expected


@pytest.mark.parametrize(
    ("target", "exempt"),
    [
        ("/", True),
        ("/?x=1", True),
        ("/odata", True),
        ("/odata?$top=1", True),
        ("/odata/", True),
        ("/odata/v4/Quotes?$filter=Name eq 'a/b'".replace(" ", "%20"), True),
        ("/%6Fdata/v4/", True),
        ("/odata/../applink/createQuote", True),
        ("/odata%2F..%2Fapplink%2FcreateQuote", True),
        ("http://other.example/odata/v4/", True),
        ("/odata%3Fapplink", True),
        ("/healthcheck", True),
        ("/readiness", True),
        ("/healthcheck/", False),
        ("/odatax", False),
        ("/ODATA/v4/", False),
        ("//odata/v4/", False),
        ("/applink/createQuote", False),
        ("/applink/createQuote?/odata/", False),
        ("/%61pplink/createQuote", False),
        ("http://127.0.0.1/applink/createQuote", False),
        ("http://127.0.0.1", True),
    ],
)
def test_bypass(send: Send, gateway: StandIn, target: str, exempt: bool) -> None:
    assert Rules(bypass=BYPASS).exempt(target) is exempt
    answer = send("GET", target)
    assert answer.status == (200 if exempt else 401)
    forwarded = [arrived.target for arrived in gateway.arrived]
    assert forwarded == ([target.removeprefix("http://other.example").replace("http://127.0.0.1", "/")] * exempt)


def test_a_forged_context_passes_where_nothing_is_checked(send: Send, gateway: StandIn, addon: StandIn) -> None:
    """As on Heroku: so the gateway must not believe one outside of its operations."""
    send("GET", "/odata/v4/", {"x-client-context": "forged", "x-request-context": "forged"})
    assert gateway.arrived[0].all("x-client-context") == ["forged"]
    assert gateway.arrived[0].all("x-request-context") == []
    assert addon.arrived == []


def test_a_stray_percent_sign_is_400(send: Send, gateway: StandIn) -> None:
    assert send("GET", "/odata/%zz").status == 400
    assert gateway.arrived == []


@pytest.mark.parametrize(("status", "method", "body"), [(308, "POST", b"{}"), (302, "GET", b""), (303, "GET", b"")])
def test_redirects_are_followed_inside(send: Send, gateway: StandIn, status: int, method: str, body: bytes) -> None:
    def speak(request: Arrived) -> Said:
        moved = Said(status=status, headers=(("Location", "/odata/v4/"),))
        return Said(body=b"there") if request.target == "/odata/v4/" else moved

    gateway.speak = speak
    answer = send("POST", "/odata/v4", {"x-one": "1"}, b"{}")
    assert (answer.status, answer.content) == (200, b"there")
    last = gateway.arrived[-1]
    assert (last.method, last.body, last.all("x-one")) == (method, body, ["1"])


def test_a_redirect_to_another_host_takes_the_context_along_but_no_credentials(
    send: Send, gateway: StandIn, addon: StandIn
) -> None:
    """As Go's client does it: a gateway must never redirect an operation elsewhere."""
    elsewhere = f"http://localhost:{addon.port}/there"
    gateway.speak = lambda request: Said(status=307, headers=(("Location", elsewhere),))
    send("GET", "/odata/v4/", {"authorization": "Basic eDp5", "x-client-context": "c"})
    [arrived] = [one for one in addon.arrived if one.target == "/there"]
    assert arrived.all("authorization") == [] and arrived.all("x-client-context") == ["c"]


def test_endless_redirects_are_502(send: Send, gateway: StandIn) -> None:
    gateway.speak = lambda request: Said(status=302, headers=(("Location", "/odata/v4/"),))
    assert send("GET", "/odata/v4/").status == 502
    assert len(gateway.arrived) == mesh.MOST_REDIRECTS + 1


def test_gzip_that_nobody_asked_for_is_unpacked(send: Send, gateway: StandIn) -> None:
    gateway.speak = lambda request: Said(headers=(("Content-Encoding", "gzip"),), body=gzip.compress(b"plain"))
    answer = send("GET", "/odata/v4/")
    assert gateway.arrived[0].all("accept-encoding") == ["gzip"]
    assert (answer.content, answer.headers["content-encoding"]) == (b"plain", None)
    packed = send("GET", "/odata/v4/", {"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.content) == b"plain" and packed.headers["content-encoding"] == "gzip"


def test_answers_keep_repeated_headers_and_status(send: Send, gateway: StandIn) -> None:
    cookies = (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    gateway.speak = lambda request: Said(status=418, headers=cookies, body=b"tea")
    answer = send("GET", "/odata/v4/")
    assert (answer.status, answer.headers.get_all("set-cookie")) == (418, ["a=1", "b=2"])


def test_head_and_empty_answers_leave_the_connection_usable(send: Send, gateway: StandIn) -> None:
    gateway.speak = lambda request: Said(body=b"12345")
    head = send("HEAD", "/odata/v4/")
    assert (head.content, head.headers["content-length"]) == (b"", "5")
    gateway.speak = lambda request: Said(status=204)
    assert send("DELETE", "/odata/v4/Quotes(1)").status == 204
    gateway.speak = lambda request: Said(body=b"again")
    assert send("GET", "/odata/v4/").content == b"again"


def test_chunked_bodies_come_in_whole(proxy: MeshServer, gateway: StandIn) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.server_port, timeout=10)
    connection.request("POST", "/odata/v4/$batch", body=iter([b"ab", b"cde"]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    assert connection.getresponse().status == 200
    connection.close()
    [arrived] = gateway.arrived
    assert (arrived.body, arrived.all("content-length"), arrived.all("transfer-encoding")) == (b"abcde", ["5"], [])


@pytest.mark.parametrize("head", [b"Content-Length: x", b"Transfer-Encoding: chunked\r\n\r\nzz"])
def test_a_body_without_a_length_is_400(proxy: MeshServer, gateway: StandIn, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", proxy.server_port), timeout=10) as raw:
        raw.sendall(b"POST /odata/v4/ HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")
    assert gateway.arrived == []


def test_the_version_route_is_the_mesh_s_own(send: Send, gateway: StandIn) -> None:
    assert send("GET", mesh.INFO_ROUTE).content == b"simulated"
    assert gateway.arrived == []


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_file_is_read_as_the_mesh_reads_it() -> None:
    said = mesh_rules.read(
        "app: {port: 3001, host: 'http://127.0.0.2'}\n"
        "mesh:\n  authentication: {bypassRoutes: ['/a', '/b/*']}\n  healthcheck: {enable: 'false', route: /alive}\n"
    )
    expected = Rules(bypass=("/a", "/b/*"), healthcheck=None, app_host="http://127.0.0.2", app_port="3001")
    assert said == expected


@pytest.mark.parametrize(
    "text", ["", "mesh:\n", "mesh: {authentication: }", "mesh: {authentication: {bypassRoutes: }}"]
)
def test_what_is_not_said_has_its_default(text: str) -> None:
    assert mesh_rules.read(text) == Rules()


@pytest.mark.parametrize(
    "text",
    [
        "mash: {}",
        "mesh: {authentication: {bypassroutes: ['/a']}}",
        "mesh: {auth: {}}",
        "app: {timeout: 3}",
        "mesh: {healthcheck: {enabled: 'true'}}",
        "mesh: {authentication: {bypassRoutes: /a}}",
        "mesh: {authentication: {bypassRoutes: [{a: b}]}}",
        "mesh: [1]",
        "app: {port: [1]}",
        "mesh: {",
    ],
)
def test_what_the_mesh_does_not_know_is_fatal(text: str) -> None:
    with pytest.raises(RulesError):
        mesh_rules.read(text)


def test_everything_can_be_exempt() -> None:
    assert Rules(bypass_everything=True).exempt("/applink/createQuote")


def test_a_refusal_says_status_and_text() -> None:
    with pytest.raises(Refused) as refused:
        mesh_rules.question({}, "r", "/applink/createQuote", b"")
    assert (refused.value.status, refused.value.text) == (401, "401 Invalid request")
