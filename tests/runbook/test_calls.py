"""The table "Calls" of docs/runbook.md: each answer is provoked, looked into as the page says, and cured."""

from __future__ import annotations

import pytest

from simulator.caller import Reply
from simulator.running import Simulator
from simulator.world import FIRST_ORG, SECOND_ORG
from tests.runbook.conftest import StartApp
from tests.runbook.heroku import App, until

pytestmark = pytest.mark.slow
ANN = "ann@acme.example"


def code(reply: Reply) -> tuple[int, str]:
    """Status and code of a refusal."""
    return reply.status, reply.body.get("code", "")


def create(app: App, opportunity: str, *, user: str = "ann", **members: str) -> Reply:
    """createQuote as a user, through the mesh where there is one."""
    body = {"opportunityId": opportunity, **members}
    return app.apex.invoke("createQuote", body, user=user, through="mesh" if app.meshed else "direct")


def test_not_a_call_from_salesforce(start: StartApp) -> None:
    app = start()
    (opportunity,) = app.opportunities(1)
    refused = app.curl("/applink/createQuote", method="POST", body={"opportunityId": opportunity})
    assert (refused.status, refused.body) == (401, b"401 Invalid request\n")
    username, secret = app.credential()
    places = f"--simulator {app.simulator.url} --gateway {app.inside} --mesh {app.mesh_url}"
    said = app.gateway(f"sim {places} --login {username}:{secret} invoke createQuote --opportunity {opportunity}")
    assert '"quoteId"' in said and "WRONG" not in said


def test_the_mesh_does_not_stand_in_front(start: StartApp) -> None:
    """The Procfile without the mesh, and then with it, is pushed."""
    app = start()
    (opportunity,) = app.opportunities(1)
    assert app.push(meshed=False)
    open_to_all = app.curl("/applink/createQuote", method="POST", body={"opportunityId": opportunity})
    assert (open_to_all.status, open_to_all.json()["code"]) == (401, "ContextMissing")
    assert "=== web: gunicorn" in app.ps()
    assert app.push(meshed=True)
    assert "=== web: APP_PORT=3000 heroku-applink-service-mesh gunicorn" in app.ps()
    assert create(app, opportunity).status == 200


def test_the_org_calls_back_elsewhere(start: StartApp, salesforce: Simulator) -> None:
    app = start()

    def ask() -> Reply:
        body = {"opportunityIds": app.opportunities(1), "callbackUrl": f"{salesforce.url}/later/08P000000000001"}
        return app.apex.invoke("createQuotes", body)

    refused = ask()
    assert code(refused) == (400, "InvalidCallbackUrl") and "begins with /services/" in refused.body["message"]
    for beginning in ("/later/", "/"):
        app.config_set(APPLINK_CALLBACK_PATH=beginning)
        assert ask().status == 201


def test_the_session_ended(start: StartApp, salesforce: Simulator) -> None:
    app = start()
    (opportunity,) = app.opportunities(1)
    before = app.apex.sign_in("ann")
    salesforce.expire_token("ann")
    refused = app.apex.invoke("createQuote", {"opportunityId": opportunity}, user=before)
    assert code(refused) == (401, "TokenRejected")
    app.until_logged("web", rf'{refused.body["requestId"]}".*"error": ?"TokenRejected"')
    assert create(app, opportunity).status == 200


def test_an_org_that_is_not_served(start: StartApp, salesforce: Simulator) -> None:
    app = start(APPLINK_ORGS=FIRST_ORG)
    (opportunity,) = salesforce.opportunities(1, user="worker@globex.example")

    def ask() -> Reply:
        return create(app, opportunity, user="worker@globex.example", ifDraftExists="return")

    assert code(ask()) == (403, "OrgNotAllowed")
    assert app.config_get("APPLINK_ORGS") == FIRST_ORG
    app.config_set(APPLINK_ORGS=f"{FIRST_ORG},{SECOND_ORG}")
    assert ask().status == 200
    app.config_set(APPLINK_ORGS=None)
    assert code(ask()) == (403, "OrgNotAllowed")
    assert SECOND_ORG in app.authorizations()
    app.config_set(APPLINK_AUTHORIZATION=f"{FIRST_ORG}=worker,{SECOND_ORG}=worker_globex")
    assert ask().status == 200


def test_the_user_lacks_a_permission(start: StartApp, salesforce: Simulator) -> None:
    app = start()
    (opportunity,) = salesforce.opportunities(1, user="ben")
    refused = create(app, opportunity, user="ben")
    assert refused.status == 403 and "Quote" in refused.body["message"]
    with app.org.user_plus(app.apex.sign_in("ben")):
        assert create(app, opportunity, user="ben").status == 200


def test_gunicorn_has_not_started(start: StartApp) -> None:
    app = start()
    (opportunity,) = app.opportunities(1)
    app.config_set(WEB_THREADS="many")
    refused = create(app, opportunity)
    assert refused.status == 502 and b"Failed to forward" in refused.answer.body
    app.until_logged("web", "WEB_THREADS is 'many'; it needs a whole number")
    app.config_set(WEB_THREADS="8")
    assert create(app, opportunity).status == 200


def test_the_org_is_away(start: StartApp, salesforce: Simulator) -> None:
    """status.salesforce.com is not asked: the org of this rehearsal is not there."""
    app = start()
    (opportunity,) = app.opportunities(1)
    assert app.apex.invoke("previewQuote", {"opportunityId": opportunity}).status == 200
    salesforce.fault("* /services/data/", user=ANN, status=503, body="<html>", times=None)
    assert code(create(app, opportunity)) == (503, "OrgUnavailable")
    salesforce.clear_faults()
    salesforce.settings(request_limit=0)
    assert code(create(app, opportunity)) == (503, "OrgLimitReached")
    salesforce.settings(request_limit=None)
    assert app.quotes([opportunity]) == []
    assert create(app, opportunity).status == 200
    assert app.quotes([opportunity]) == [opportunity]


def test_the_org_did_not_answer_in_time(start: StartApp, salesforce: Simulator) -> None:
    app = start(OPERATION_DEADLINE_SECONDS="3", INTENT_SETTLE_SECONDS="5")
    repeated, left = app.opportunities(2)
    login = app.credential()
    for opportunity in (repeated, left):
        salesforce.fault("POST /composite/graph", delay=6, after=True)
        assert code(create(app, opportunity, requestKey=f"key {opportunity}")) == (504, "OutcomeUnknown")

    def again() -> str:
        return str(create(app, repeated, requestKey=f"key {repeated}").status)

    def row() -> str:
        path = f"/odata/v4/Quotes?$select=SalesforceId&$filter=OpportunityId%20eq%20'{left}'"
        return app.curl(path, login=login).body.decode()

    until(again, "200", "createQuote with the same key")
    until(row, r'"SalesforceId":"0Q0', "the row of the call that nobody repeated")
    assert app.quotes([repeated, left]) == sorted([repeated, left])


def test_there_is_no_add_on(start: StartApp) -> None:
    app = start()
    (opportunity,) = app.opportunities(1)
    app.config_set(HEROKU_APPLINK_API_URL=None, HEROKU_APPLINK_TOKEN=None)
    assert app.push(meshed=False)  # without the add-on the mesh does not start, and the web dyno with it
    refused = create(app, opportunity)
    assert code(refused) == (503, "NotSetUp") and "HEROKU_APPLINK_API_URL" in refused.body["message"]
    assert "HEROKU_APPLINK_API_URL" not in app.show_config()
    app.add_applink()
    assert "HEROKU_APPLINK_API_URL" in app.show_config()
    assert app.push(meshed=True)
    assert create(app, opportunity).status == 200
