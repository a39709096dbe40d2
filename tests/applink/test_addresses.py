"""Which addresses are connected to: public ones, as looked up for this connection, and wherever no redirect leads."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import replace

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from applink.authorizations import Orgs
from applink.errors import (
    OrgUnavailable,
    OutcomeUnknown,
)
from applink.org import Org
from applink.sending import Guard, is_public
from simulator.running import Simulator
from tests.applink.calling import USERS, caller_of, soon


# Addresses
@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("169.254.169.254", False), ("192.168.0.1", False), ("172.16.0.1", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("fe80::1%eth0", False),
        ("fd00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True), ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False), ("ff02::1", False), ("::", False), ("localhost", False), ("", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


class Canary:
    """A listener of this machine that nobody may talk to."""

    def __init__(self) -> None:
        self.hits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.hits += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


class Lookup(AbstractResolver):
    """A name server that says now this, now that."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing."""


def test_a_name_that_leads_home_is_not_connected_to(simulator: Simulator) -> None:
    """DNS rebinding: whatever an earlier look-up said, the one that is connected to is the one that is checked."""
    canary = Canary()
    orgs = Orgs(test_domains=(simulator.url,), resolver=lambda: Lookup("127.0.0.1"))
    try:
        there = f"https://acme.my.salesforce.com:{canary.port}"
        org = orgs.of_caller(replace(caller_of(simulator, "ann"), domain_url=there))
        with pytest.raises(OrgUnavailable):
            org.query(USERS, deadline=soon(3))
        with pytest.raises(OrgUnavailable):
            org.deliver(f"{there}/services/callback/1", {}, deadline=soon(3))
        literal = orgs.of_caller(replace(caller_of(simulator, "ann"), domain_url=f"http://127.0.0.2:{canary.port}"))
        with pytest.raises(OrgUnavailable):
            literal.query(USERS, deadline=soon(3))
    finally:
        orgs.close()
        canary.close()
    assert canary.hits == 0


def test_the_look_up_that_counts_is_the_last_one(simulator: Simulator) -> None:
    guard = Guard(frozenset({"localhost"}), Lookup("93.184.216.34", "10.0.0.7"))

    async def work() -> None:
        assert (await guard.resolve("acme.my.salesforce.com"))[0]["host"] == "93.184.216.34"
        with pytest.raises(OSError, match="private"):
            await guard.resolve("acme.my.salesforce.com")
        assert await guard.resolve("localhost")

    asyncio.run(work())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_callback_is_followed_nowhere(status: int, work_org: Org, simulator: Simulator) -> None:
    canary = Canary()
    invocation = simulator.open_callback("ann")
    simulator.fault(
        "POST /services/callback", status=status, body="", headers={"Location": f"http://127.0.0.1:{canary.port}/"}
    )
    try:
        with pytest.raises(OutcomeUnknown, match="not followed"):
            work_org.deliver(invocation["url"], {"jobId": "j"}, deadline=soon())
    finally:
        canary.close()
    assert canary.hits == 0
