"""The vendor's SDK, as it is installed, over HTTP against the simulator: every call it has, and every way it fails."""

# ruff: noqa: S608, SOQL with ids of the simulator's own

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import pytest
from heroku_applink import Authorization, Record, UnitOfWork, get_authorization
from heroku_applink import authorization as sdk_settings
from heroku_applink.data_api.exceptions import ClientError, SalesforceRestApiError, UnexpectedRestApiResponsePayload

from simulator.running import Simulator

T = TypeVar("T")
Sdk = Callable[[Callable[[Authorization], Awaitable[T]]], T]


@asynccontextmanager
async def authorized(name: str = "worker") -> AsyncIterator[Authorization]:
    found = await get_authorization(name)
    try:
        yield found
    finally:
        await found.connection.close()


@pytest.fixture
def sdk(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Sdk[Any]:
    """Runs a coroutine with the authorization of the worker."""
    for name, value in simulator.environment.items():
        monkeypatch.setenv(name, value)
    sdk_settings._resolve_addon_config_by_attachment_or_color.cache_clear()

    def run(work: Callable[[Authorization], Awaitable[T]]) -> T:
        async def main() -> T:
            found = await get_authorization("worker")
            try:  # no context manager: the SDK's frozen exceptions do not survive one
                return await work(found)
            finally:
                await found.connection.close()

        return asyncio.run(main())

    return run


def test_an_authorization(sdk: Sdk[Any], simulator: Simulator) -> None:
    async def work(found: Authorization) -> Authorization:
        return found

    found = sdk(work)
    worker = simulator.caller("worker")
    assert found.status == "authorized"
    assert found.org.instance_url == simulator.url
    assert (found.org.id, found.org.user_auth.username) == (worker.org_id, worker.username)
    assert found.org.user_auth.access_token == worker.access_token


def test_an_authorization_that_nobody_has_made(sdk: Sdk[Any]) -> None:
    async def main() -> None:
        async with authorized("nobody"):
            raise AssertionError("there is none")

    with pytest.raises(aiohttp.ClientResponseError) as refused:
        asyncio.run(main())
    assert refused.value.status == 404


def test_a_query_over_three_pages(sdk: Sdk[Any], simulator: Simulator) -> None:
    simulator.settings(page_size=40)

    async def work(found: Authorization) -> list[int]:
        page = await found.data_api.query("SELECT Id, Name FROM Opportunity ORDER BY Id LIMIT 100")
        sizes = [len(page.records)]
        while not page.done:
            page = await found.data_api.query_more(page)
            sizes.append(len(page.records))
        assert page.next_records_url is None
        return sizes

    assert sdk(work) == [40, 40, 20]


def test_sub_selects_and_a_parent_without_children(sdk: Sdk[Any], simulator: Simulator) -> None:
    plain, none = simulator.special("plain"), simulator.special("no_lines")

    async def work(found: Authorization) -> Any:
        return await found.data_api.query(
            "SELECT Id, Account.Name, (SELECT Id, Quantity, PricebookEntry.Product2.Name FROM OpportunityLineItems) "
            f"FROM Opportunity WHERE Id IN ('{plain}', '{none}') ORDER BY Id"
        )

    with_lines, without = sdk(work).records
    assert len(with_lines.sub_query_results["OpportunityLineItems"].records) == 3
    assert with_lines.fields["Account"].fields["Name"] == "Acme Machines 0"
    assert without.fields["OpportunityLineItems"] is None


def test_create_update_delete(sdk: Sdk[Any], simulator: Simulator) -> None:
    async def work(found: Authorization) -> None:
        api = found.data_api
        quote = {"Name": "Q", "OpportunityId": simulator.special("plain")}
        quote_id = await api.create(Record(type="Quote", fields=quote))
        assert simulator.records("Quote", f"Id = '{quote_id}'")[0]["Status"] == "Draft"
        await api.update(Record(type="Quote", fields={"Id": quote_id, "Status": "Approved"}))
        assert simulator.records("Quote", f"Id = '{quote_id}'")[0]["Status"] == "Approved"
        await api.delete("Quote", quote_id)
        assert simulator.records("Quote") == []

    sdk(work)


def unit(simulator: Simulator, entry: str | None = None) -> UnitOfWork:
    """A quote and its line."""
    opportunity = simulator.special("plain")
    line = simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity}'")[0]
    book = simulator.records("Opportunity", f"Id = '{opportunity}'")[0]["Pricebook2Id"]
    made = UnitOfWork()
    quote = made.register_create(
        Record(type="Quote", fields={"Name": "Q", "OpportunityId": opportunity, "Pricebook2Id": book})
    )
    fields = {"QuoteId": quote, "PricebookEntryId": entry or line["PricebookEntryId"], "Quantity": 2, "UnitPrice": 9.5}
    made.register_create(Record(type="QuoteLineItem", fields=fields))
    return made


def test_a_unit_of_work(sdk: Sdk[Any], simulator: Simulator) -> None:
    async def work(found: Authorization) -> list[str]:
        return list((await found.data_api.commit_unit_of_work(unit(simulator))).values())

    quote_id, line_id = sdk(work)
    (quote,) = simulator.records("Quote")
    (line,) = simulator.records("QuoteLineItem")
    assert (quote["Id"], line["Id"], line["QuoteId"]) == (quote_id, line_id, quote_id)
    assert (quote["GrandTotal"], quote["LineItemCount"]) == (19.0, 1)


def test_a_unit_of_work_that_fails_leaves_nothing(sdk: Sdk[Any], simulator: Simulator) -> None:
    other = simulator.records("PricebookEntry", "Pricebook2.IsStandard = false")[0]["Id"]

    async def work(found: Authorization) -> None:
        await found.data_api.commit_unit_of_work(unit(simulator, entry=other))

    with pytest.raises(SalesforceRestApiError) as refused:
        sdk(work)
    codes = [error.error_code for error in refused.value.api_errors]
    assert codes == ["PROCESSING_HALTED", "FIELD_INTEGRITY_EXCEPTION"]
    assert simulator.records("Quote") == simulator.records("QuoteLineItem") == []


def test_an_empty_unit_of_work_is_refused(sdk: Sdk[Any]) -> None:
    async def work(found: Authorization) -> None:
        await found.data_api.commit_unit_of_work(UnitOfWork())

    with pytest.raises(SalesforceRestApiError):
        sdk(work)


def test_an_expired_token_and_the_next_authorization(sdk: Sdk[Any], simulator: Simulator) -> None:
    async def work(found: Authorization) -> None:
        simulator.expire_token("worker@acme.example")
        with pytest.raises(SalesforceRestApiError) as refused:
            await found.data_api.query("SELECT Id FROM User LIMIT 1")
        assert refused.value.api_errors[0].error_code == "INVALID_SESSION_ID"
        async with authorized() as fresh:
            assert len((await fresh.data_api.query("SELECT Id FROM User LIMIT 1")).records) == 1

    sdk(work)


def test_a_page_of_html(sdk: Sdk[Any], simulator: Simulator) -> None:
    simulator.fault("GET /query", status=503, body="<html>Service Unavailable</html>")

    async def work(found: Authorization) -> None:
        with pytest.raises(UnexpectedRestApiResponsePayload):
            await found.data_api.query("SELECT Id FROM User")

    sdk(work)


def test_a_timeout(sdk: Sdk[Any], simulator: Simulator) -> None:
    simulator.fault("GET /query", delay=1)

    async def work(found: Authorization) -> None:
        with pytest.raises(TimeoutError):
            await found.data_api.query("SELECT Id FROM User", timeout=0.1)

    sdk(work)


def test_a_connection_that_ends_after_the_effect(sdk: Sdk[Any], simulator: Simulator) -> None:
    simulator.fault("POST /composite/graph", cut=True, after=True)

    async def work(found: Authorization) -> None:
        with pytest.raises(ClientError):
            await found.data_api.commit_unit_of_work(unit(simulator))

    sdk(work)
    assert len(simulator.records("Quote")) == 1


def test_a_compound_field_is_what_the_sdk_cannot_read(sdk: Sdk[Any]) -> None:
    async def work(found: Authorization) -> None:
        with pytest.raises(KeyError):
            await found.data_api.query("SELECT Id, BillingAddress FROM Account LIMIT 1")

    sdk(work)


def test_a_platform_event(sdk: Sdk[Any], simulator: Simulator) -> None:
    async def work(found: Authorization) -> str:
        fields = {"JobId__c": "j-1", "Status__c": "completed", "QuoteCount__c": 2}
        created: str = await found.data_api.create(Record(type="Quote_Job__e", fields=fields))
        return created

    assert sdk(work)
    (event,) = simulator.events()
    assert (event["type"], event["JobId__c"], event["QuoteCount__c"]) == ("Quote_Job__e", "j-1", 2.0)


def test_a_callback_over_the_sdks_connection(sdk: Sdk[Any], simulator: Simulator) -> None:
    invocation = simulator.open_callback("ann")

    async def work(found: Authorization) -> int:
        headers = {"Authorization": f"Bearer {found.data_api.access_token}", "Content-Type": "application/json"}
        answer = await found.connection.request("POST", invocation["url"], headers=headers, data=b'{"jobId": "j"}')
        answer.release()
        return int(answer.status)

    assert sdk(work) == 200
    found = simulator.callback(invocation["id"])
    assert found["handled"] == {"jobId": "j"}
    assert found["received"][0]["asUser"] == "ann@acme.example"
    assert found["received"][0]["sentBy"] == "worker@acme.example"


def test_requests_are_recorded_without_their_token(sdk: Sdk[Any], simulator: Simulator) -> None:
    async def work(found: Authorization) -> str:
        await found.data_api.query("SELECT Id FROM User LIMIT 1")
        return str(found.data_api.access_token)

    token = sdk(work)
    record = simulator.requests("/query")[-1]
    assert (record["method"], record["status"], record["user"]) == ("GET", 200, "worker@acme.example")
    assert "SELECT+Id+FROM+User" in record["query"]
    assert len(record["token"]) == 8 and record["request_id"]
    assert token not in str(simulator.requests())
