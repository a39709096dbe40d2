"""createQuotes, startQuotes, getJob, cancelJob and retryJob from Apex: stored before answered, once, each org's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from models.seed import SECOND_ORG
from tests.applink.serving import NOBODY, Place, code, declared, ordinary


def test_a_job_is_stored_before_it_is_answered(place: Place) -> None:
    ids = place.simulator.opportunities(3, user="ann")
    place.simulator.forget_requests()
    reply = place.ask("createQuotes", {"opportunityIds": ids}, callback=True)
    assert reply.status == 201, reply.body
    assert reply.body == {"jobId": reply.body["jobId"], "status": "queued", "opportunityCount": 3}
    with place.engine.connect() as connection:
        row = connection.execute(
            text("SELECT * FROM gateway.job WHERE id = :id"), {"id": reply.body["jobId"]}
        ).mappings().one()  # fmt: skip
    assert (row["type"], row["callback_status"], row["callback_url"]) == (
        "createQuotes", "due", reply.invocation.callback_url,
    )  # fmt: skip
    assert row["requested_by"] == reply.invocation.caller.user_id and row["authorization_name"] == "worker"
    assert place.count("intent", "job_id = :id", id=reply.body["jobId"]) == 3
    assert {one["user"] for one in place.simulator.requests("/services/data/")} <= {"ann@acme.example"}
    seen = place.ask("getJob", {"jobId": reply.body["jobId"]}, user="ben").body
    assert (seen["status"], seen["opportunityIds"], seen["progress"]) == ("queued", ids, 0)
    ended = place.ask("cancelJob", {"jobId": reply.body["jobId"]})
    assert (ended.status, ended.body["status"]) == (200, "cancelled")
    assert code(place.ask("retryJob", {"jobId": NOBODY})) == (404, "JobNotFound")


def test_the_same_job_twenty_times_is_one_job(place: Place) -> None:
    """Bar 20, by the address of the callback, which Salesforce repeats."""
    ids = place.simulator.opportunities(2, user="ann")
    made = place.apex.prepare("createQuotes", {"opportunityIds": ids}, callback=True)
    before = place.count("job")
    with ThreadPoolExecutor(20) as pool:
        replies = [declared(one) for one in pool.map(lambda _: place.apex.send(made), range(20))]
    assert {one.status for one in replies} == {201} and len({one.answer.body for one in replies}) == 1
    assert place.count("job") == before + 1
    place.ask("cancelJob", {"jobId": replies[0].body["jobId"]})


@pytest.mark.parametrize("operation", ["createQuotes", "startQuotes"])
def test_a_job_that_is_stored_is_answered_without_the_org(place: Place, operation: str) -> None:
    """M10: whatever has become of the org or of the opportunities since."""
    [opportunity] = ordinary(place)
    first = place.ask(operation, {"opportunityIds": [opportunity], "requestKey": f"once {operation}"})
    assert first.status == 201, first.body
    place.ask("cancelJob", {"jobId": first.body["jobId"]})
    place.simulator.forget_requests()
    for fault in ({"status": 503, "body": "away"}, {"status": 200, "body": '{"records": [], "done": true}'}):
        place.simulator.clear_faults()
        place.simulator.fault("GET /query", times=None, **fault)
        again = declared(place.apex.repeat(first))
        assert (again.status, again.body) == (201, first.body)
        other = place.ask(operation, {"opportunityIds": [opportunity]})
        assert other.status in (404, 503), "the fault is one that a new job meets"
    assert len(place.simulator.requests("/query")) == 2


def test_a_key_of_a_job_belongs_to_one_request(place: Place) -> None:
    one, other = place.simulator.opportunities(2, user="ann")
    first = place.ask("startQuotes", {"opportunityIds": [one], "requestKey": "job 1"})
    assert first.status == 201
    assert place.ask("startQuotes", {"opportunityIds": [one], "requestKey": "job 1"}).body == first.body
    assert code(place.ask("startQuotes", {"opportunityIds": [other], "requestKey": "job 1"})) == (409, "KeyReused")
    assert code(place.ask("createQuotes", {"opportunityIds": [one], "requestKey": "job 1"})) == (409, "KeyReused")
    place.ask("cancelJob", {"jobId": first.body["jobId"]})
    assert code(place.ask("cancelJob", {"jobId": NOBODY})) == (404, "JobNotFound")


def test_what_cannot_be_used_is_refused_by_position_and_nothing_is_stored(place: Place) -> None:
    good = place.simulator.opportunities(2, user="ann")
    hidden, before = place.simulator.special("apac"), place.count("job")
    for ids, status, said in (
        ([good[0], "006x"], 400, "opportunityIds[1] is '006x'"),
        ([good[0], good[1], hidden], 404, f"opportunityIds[2] is {hidden}"),
        ([good[0], good[0][:15]], 400, "opportunityIds[1] is the same as opportunityIds[0]."),
    ):
        reply = place.ask("createQuotes", {"opportunityIds": ids})
        assert reply.status == status and said in reply.body["message"], reply.body
    assert place.count("job") == before


def test_a_job_has_a_largest_size(place: Place) -> None:
    ids = [f"006bZ{number:010d}" for number in range(2001)]
    reply = place.ask("startQuotes", {"opportunityIds": ids})
    assert reply.status == 400 and "2001 items; a job takes 2000 at most" in reply.body["message"]
    assert place.simulator.requests("/services/data/") == []


def test_an_org_has_so_many_open_jobs_and_no_more(place: Place) -> None:
    [opportunity] = place.simulator.opportunities(1, user="ann")
    started = []
    for _ in range(13):
        reply = place.ask("startQuotes", {"opportunityIds": [opportunity]})
        if reply.status != 201:
            break
        started.append(reply.body["jobId"])
    assert code(reply) == (429, "TooManyJobs") and reply.answer.header("retry-after")
    for job in started:
        assert place.ask("cancelJob", {"jobId": job}).status == 200


CALLBACKS = (
    "https://evil.example/x", "//evil.example/x", "http://169.254.169.254/", "javascript:alert(1)", "callback",
    "http://127.0.0.1.evil.example/", "http://user@127.0.0.1/x", "/services/../x", "/x#y", "file:///etc/passwd",
)  # fmt: skip


@pytest.mark.parametrize("url", CALLBACKS)
def test_a_callback_leads_to_the_callers_org_or_nothing_is_stored(place: Place, url: str) -> None:
    [opportunity] = place.simulator.opportunities(1, user="ann")
    before = place.count("job")
    reply = place.ask("createQuotes", {"opportunityIds": [opportunity], "callbackUrl": url})
    assert code(reply) == (400, "InvalidCallbackUrl") and place.count("job") == before


def test_startquotes_takes_no_callback(place: Place) -> None:
    [opportunity] = place.simulator.opportunities(1, user="ann")
    reply = place.ask("startQuotes", {"opportunityIds": [opportunity], "callbackUrl": "/x"})
    assert code(reply) == (400, "InvalidRequest")


@pytest.mark.parametrize("operation", ["getJob", "cancelJob", "retryJob"])
def test_a_job_of_another_org_is_not_there(place: Place, operation: str) -> None:
    with place.engine.connect() as connection:
        foreign = connection.execute(
            text("SELECT id FROM gateway.job WHERE org_id = :org LIMIT 1"), {"org": SECOND_ORG}
        ).scalar_one()
    assert code(place.ask(operation, {"jobId": str(foreign)})) == (404, "JobNotFound")
