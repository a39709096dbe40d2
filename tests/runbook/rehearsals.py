"""Which test rehearses which row of docs/runbook.md: section, symptom as the page writes it, name of the test.

Several tests of one row stand one after the other, with a blank between.
"""

from __future__ import annotations

from typing import Final

from tests.runbook import page
from tests.runbook.page import Row

REHEARSALS: Final = {
    "Jobs": {
        "a job stays `queued`": "test_no_worker_runs",
        "items stay `queued`, workers run": "test_an_org_at_its_limit_is_paused",
        "a job stands still at some percent": "test_a_worker_died",
        "a job stands still, items wait after some tries": "test_an_org_with_faults_is_tried_again",
        "an item fails with `WorkersLost`": "test_every_worker_dies_of_it",
        "an item waits beyond `ITEM_ATTEMPTS` tries, or after a cancel": "test_an_item_waits_for_a_look",
        "`completed_with_errors`": "test_failed_ones_are_mended_and_retried",
        "items wait, and the org is paused though it takes requests": "test_the_authorization_is_not_taken",
        "every item fails with `OrgNotAllowed`": "test_there_is_no_authorization",
        "every item fails with `SetupRequired`": "test_a_field_is_not_deployed",
        "a job was a mistake": "test_a_job_was_a_mistake",
        "`TooManyJobs`, 429": "test_too_many_jobs",
        "too slow": "test_more_workers",
    },
    "Callbacks and events": {
        "Apex was never called": "test_a_callback_is_still_tried",
        "`callback expired`": "test_neither_callback_nor_event",
        "`callback event_published` though Apex waited": "test_apex_gave_too_little_time",
        "the org answers 500 for hours": "test_the_handler_throws",
        "no event": "test_the_event_is_not_deployed",
    },
    "Calls": {
        "401 from the mesh, text `401 Invalid request`": "test_not_a_call_from_salesforce",
        "401 `ContextMissing`": "test_the_mesh_does_not_stand_in_front",
        "400 `InvalidCallbackUrl` to Apex, which did not choose the address": "test_the_org_calls_back_elsewhere",
        "401 `TokenRejected`": "test_the_session_ended",
        "403 `OrgNotAllowed`": "test_an_org_that_is_not_served",
        "403 from the org": "test_the_user_lacks_a_permission",
        "502": "test_gunicorn_has_not_started",
        "503 `OrgUnavailable`, `OrgLimitReached`": "test_the_org_is_away",
        "504 `OutcomeUnknown`": "test_the_org_did_not_answer_in_time",
        "`/applink/...` answers 503 and says what is not set up": "test_there_is_no_add_on",
    },
    "Reading": {
        'an external object shows "external system unavailable"': "test_database_or_app_away",
        "401 in Validate and Sync": "test_a_wrong_secret test_a_credential_that_has_ended",
        "429": "test_somebody_tries_the_old_secret",
        "503 `Busy`": "test_more_requests_than_connections",
        "503 `QueryTimeout`": "test_a_slow_filter",
        "a quote differs from the org's": "test_a_quote_was_changed_in_the_org",
    },
    "Database": {
        "`too many connections` in `heroku logs -a $APP`": "test_too_many_connections",
        "the database was away": "test_the_database_was_away",
        "a release failed": "test_a_release_failed",
        "it grows": "test_it_grows",
    },
}


def row_of(test: str) -> Row:
    """The row that a test rehearses. Raises: LookupError."""
    for row in page.rows():
        if test in REHEARSALS.get(row.section, {}).get(row.symptom, "").split():
            return row
    raise LookupError(test)
