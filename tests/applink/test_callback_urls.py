"""Where a callback may go (bar 11): to the org that asked, and a listener beside it hears nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from applink.authorizations import Orgs
from applink.callback_urls import LONGEST, PATH_PREFIX, checked
from applink.errors import InvalidCallbackUrl
from settings import Settings
from simulator.running import Simulator
from tests.applink.calling import caller_of, soon

ORG = "https://acme.my.salesforce.com"
PATH = "/services/callback/08P000000000001AAA"


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        (PATH, ORG + PATH),
        (ORG + PATH, ORG + PATH),
        (f"{ORG}:443{PATH}?a=b&c=%2Fd", f"{ORG}{PATH}?a=b&c=%2Fd"),
        (f"HTTPS://ACME.my.Salesforce.COM{PATH}", ORG + PATH),
        (ORG, ORG + "/"),
        ("/", ORG + "/"),
        ("/a:b@c", ORG + "/a:b@c"),
        ("/?next=https://evil.example", ORG + "/?next=https://evil.example"),
    ],
)
def test_what_leads_to_the_org(url: str, absolute: str) -> None:
    assert checked(url, ORG, path_prefix="/") == absolute
    assert checked(absolute, ORG, path_prefix="/") == absolute


FOREIGN = [
    "", " ", "x", "callback", "?a=b", "#f", f"{PATH}#f", f"{ORG}{PATH}#",
    f"http://acme.my.salesforce.com{PATH}", f"ftp://acme.my.salesforce.com{PATH}", f"//evil.example{PATH}",
    f"//acme.my.salesforce.com{PATH}", f"///evil.example{PATH}", f"/\\evil.example{PATH}", f"\\\\evil.example{PATH}",
    f"https:\\\\evil.example{PATH}", f"https:/evil.example{PATH}", f"https:evil.example{PATH}", f"https://{PATH}",
    f"https://evil.example{PATH}", f"https://evil.example/{ORG}", f"https://acme.my.salesforce.com.evil.example{PATH}",
    f"https://evilacme.my.salesforce.com{PATH}", f"https://other.my.salesforce.com{PATH}",
    f"https://acme.my.salesforce.com@evil.example{PATH}", f"https://evil.example@acme.my.salesforce.com{PATH}",
    f"https://user:secret@acme.my.salesforce.com{PATH}", f"https://acme.my.salesforce.com:8443{PATH}",
    f"https://acme.my.salesforce.com:80{PATH}", f"https://acme.my.salesforce.com:x{PATH}",
    f"https://acme.my.salesforce.com:99999{PATH}", f"https://acme.my.salesforce.com.{PATH}",
    f"https://acme.my.salesforce.com%2eevil.example{PATH}", f"https://acme.my.salesforce.com%00.evil.example{PATH}",
    f"https://evil.example\\.acme.my.salesforce.com{PATH}", f"https://evil.example#@acme.my.salesforce.com{PATH}",
    f"https://evil.example?@acme.my.salesforce.com{PATH}", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
    "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/", "https://localhost/", "https://[::1", "https://acme.my.salesforce.com\r\nHost: evil.example/",
    f"{ORG}/a b", f"{ORG}/\tx", f"{ORG}/é", "https://аcme.my.salesforce.com/", "javascript:alert(1)", "file:///etc/passwd",
    "data:text/plain,x", f"{ORG}/a/../../b", f"{ORG}/%2e%2e/b", f"{ORG}/a/.%2E/b", "/./x",
    f"{ORG}{PATH}/{'x' * LONGEST}",
    f"https:////acme.my.salesforce.com{PATH}", f" {ORG}{PATH}", f"{ORG}{PATH}\n", f"<{ORG}>", f"{ORG}{PATH}\0",
]  # fmt: skip


@pytest.mark.parametrize("url", FOREIGN)
def test_what_does_not(url: str) -> None:
    with pytest.raises(InvalidCallbackUrl) as refused:
        checked(url, ORG, path_prefix="/")
    assert refused.value.status == 400 and "secret" not in refused.value.message


def test_http_is_for_simulators() -> None:
    with pytest.raises(InvalidCallbackUrl, match="https"):
        checked(PATH, "http://127.0.0.1:8010")
    assert checked(PATH, "http://127.0.0.1:8010", own_hosts={"127.0.0.1"}) == f"http://127.0.0.1:8010{PATH}"
    for foreign in (f"http://127.0.0.1:8011{PATH}", f"http://127.0.0.1{PATH}", f"https://127.0.0.1:8010{PATH}"):
        with pytest.raises(InvalidCallbackUrl):
            checked(foreign, "http://127.0.0.1:8010", own_hosts={"127.0.0.1"})


def test_a_prefix_pins_the_path() -> None:
    """That of every address of an org's own is the one that counts unless told otherwise."""
    assert checked(PATH, ORG) == checked(PATH, ORG, path_prefix="/services/callback/") == ORG + PATH
    for other in ("/", "/service", "/Services/x", "/apex/x", "/%73ervices/x", ORG):
        with pytest.raises(InvalidCallbackUrl, match="/services/"):
            checked(other, ORG)
    assert Settings().applink_callback_path == PATH_PREFIX


@pytest.mark.parametrize(
    "way",
    [
        "../data", "%2E%2E/data", "%2e./data", "..", "%2E%2E", "..%2fdata", "..%2Fdata", "%2e%2e%2Fdata",
        "%2e%2e%2F%2fdata", "%2e%2e%5cdata", "%2e%2e%5Cdata", "%252e%252e/data", "%25252E%25252E/data", "..%252fdata",
        "..%255Cdata", "..;/data", "..;x=y/data", "%2e%2e;/data", "..%3b/data", "..%3B/data", "a%2Fb", "a%5Cb",
        "a%25b", "a;b", "a//b", "/", "a%00b", "a%0d%0ab", "a%", "a%2", "a%zz",
    ],
)  # fmt: skip
def test_no_way_out_of_the_prefix(way: str) -> None:
    """However a server reads it: no other name for a slash or a dot, nothing encoded twice, no path parameters."""
    url = f"/services/callback/{way}"
    for given in (url, ORG + url, f"{url}?a=b"):
        with pytest.raises(InvalidCallbackUrl):
            checked(given, ORG, path_prefix="/services/callback/")
    assert checked(f"{PATH}?next={way}", ORG) == f"{ORG}{PATH}?next={way}"


def test_what_is_stored_is_no_longer_than_its_column() -> None:
    room = LONGEST - len(ORG)
    fits = PATH + "x" * (room - len(PATH))
    assert len(checked(fits, ORG)) == LONGEST
    with pytest.raises(InvalidCallbackUrl, match=str(LONGEST)):
        checked(f"{fits}x", ORG)


@pytest.fixture
def canary() -> Iterator[tuple[int, list[object]]]:
    """A listener of this machine: its port, and who came."""
    came: list[object] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            came.append(address)
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    yield listener.getsockname()[1], came
    listener.close()


def test_only_the_org_hears_of_it(orgs: Orgs, simulator: Simulator, canary: tuple[int, list[object]]) -> None:
    """At submission and, what matters more, at the moment of sending."""
    port, came = canary
    org_port = simulator.url.rpartition(":")[2]
    urls = [url.replace("evil.example", f"127.0.0.1:{port}").replace(ORG, simulator.url) for url in FOREIGN]
    urls += [
        f"http://127.0.0.1:{port}/", f"http://127.1:{port}/", f"http://2130706433:{port}/", f"http://[::1]:{port}/",
        f"http://localhost:{port}/", f"http://127.0.0.1:{org_port}@127.0.0.1:{port}/", f"//127.0.0.1:{port}/x",
        f"http://127.0.0.1:{port}\\@127.0.0.1:{org_port}/", f"http://localhost:{org_port}/services/callback/1",
    ]  # fmt: skip
    caller = caller_of(simulator, "ann")
    org = orgs.of_caller(caller)
    worker = orgs.named(caller.org_id)
    simulator.forget_requests()
    for url in urls:
        for attempt in (
            lambda url=url: orgs.callback_url(url, caller),
            lambda url=url: org.deliver(url, {"jobId": "j"}, deadline=soon(2)),
            lambda url=url: worker.deliver(url, {"jobId": "j"}, deadline=soon(2)),
        ):
            with pytest.raises(InvalidCallbackUrl):
                attempt()
    assert came == [] and simulator.requests() == []
    own = simulator.open_callback("ann")["url"]
    assert worker.deliver(orgs.callback_url(own, caller), {"jobId": "j"}, deadline=soon()) == 200
    assert worker.deliver(own.removeprefix(simulator.url), {"jobId": "j"}, deadline=soon()) == 200
    assert came == []


@pytest.mark.parametrize(
    "way",
    [
        "/services/data/v64.0/sobjects/Quote/0Q0xx?_HttpMethod=DELETE", "/services/data/v64.0/sobjects/Quote",
        "/services/data/v64.0/composite/graph", "/services/data/v64.0/%73objects/Quote", "/services/Soap/u/64.0",
        "/services/apexrest/own", "/services/oauth2/revoke", f"{PATH}?_HttpMethod=DELETE",
        f"{PATH}?a=b&_httpmethod=PATCH", f"{PATH}?%5FHttpMethod=DELETE",
    ],
)  # fmt: skip
def test_no_interface_that_changes_records(way: str) -> None:
    """The caller aims, but the token is that of the integration user."""
    for given in (way, ORG + way):
        with pytest.raises(InvalidCallbackUrl, match="no callback"):
            checked(given, ORG)
