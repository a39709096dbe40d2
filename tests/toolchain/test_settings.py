"""Settings: defaults, one clear line for each wrong variable, what follows from the surroundings."""

from __future__ import annotations

import dataclasses

import pytest

import app
import settings
from odata.plan.limits import Limits
from settings import SettingsError, load


def test_every_setting_is_documented_once() -> None:
    rows = settings.documentation()
    assert len({row.variable for row in rows}) == len(rows) == len(dataclasses.fields(settings.Settings))
    assert all(row.doc and row.fits for row in rows)
    assert all(row.variable.lower() == row.name for row in rows)


@pytest.mark.parametrize("limit", dataclasses.fields(Limits), ids=lambda limit: limit.name)
def test_every_limit_of_reading_is_a_setting_with_its_default(limit: dataclasses.Field[int]) -> None:
    """And it arrives: another value of the setting is the service's limit."""
    defaults = {one.name: one.default for one in dataclasses.fields(settings.Settings)}
    assert isinstance(limit.default, int) and defaults[limit.name] == limit.default
    other = load({limit.name.upper(): str(limit.default - 1)})
    assert getattr(app._limits(other), limit.name) == limit.default - 1


@pytest.mark.parametrize("row", [row for row in settings.documentation() if row.default], ids=lambda row: row.variable)
def test_every_default_is_a_value_one_could_set(row: settings.SettingDoc) -> None:
    assert load({row.variable: row.default}) == load({})


@pytest.mark.parametrize("row", settings.documentation(), ids=lambda row: row.variable)
def test_a_wrong_value_is_one_line_with_what_would_fit(row: settings.SettingDoc) -> None:
    if row.fits == "text":
        return
    with pytest.raises(SettingsError) as caught:
        load({row.variable: "\x01"})
    message = str(caught.value)
    assert message.startswith(row.variable) and row.fits in message and "\n" not in message


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(SettingsError, match="a text of 9 characters") as caught:
        load({"GATEWAY_SECRET": "too-short"})
    assert "too-short" not in str(caught.value)
    given = load({"GATEWAY_SECRET": "s" * 40, "DATABASE_URL": "postgres://me:hidden@localhost/x"})
    assert "hidden" not in repr(given) and "ssss" not in repr(given)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"PORT": "http", "MAX_PAGE_SIZE": "0"}, need=["DATABASE_URL", "GATEWAY_SECRET"])
    assert [line.split()[0] for line in str(caught.value).splitlines()] == [
        "PORT",
        "MAX_PAGE_SIZE",
        "DATABASE_URL",
        "GATEWAY_SECRET",
    ]


def test_few_lost_leases_are_no_reason_to_give_up() -> None:
    """A deploy, or a database that is away, takes some too."""
    assert load({"ITEM_WORKERS_LOST": "5"}).item_workers_lost == 5
    with pytest.raises(SettingsError, match="ITEM_WORKERS_LOST is '4'"):
        load({"ITEM_WORKERS_LOST": "4"})


def test_an_empty_variable_is_not_set() -> None:
    assert load({"PORT": ""}).port == 8000


def test_the_public_url_is_the_bind_address_or_the_apps_domain() -> None:
    assert load({"PORT": "8001"}).public_url == "http://127.0.0.1:8001"
    dyno = {"DYNO": "web.1", "HEROKU_APP_DEFAULT_DOMAIN_NAME": "quotes-1.herokuapp.com"}
    assert load(dyno).public_url == "https://quotes-1.herokuapp.com"
    assert load(dyno).host == "0.0.0.0"
    assert load(dyno | {"PUBLIC_URL": "https://quotes.example.com/"}).public_url == "https://quotes.example.com"
    with pytest.raises(SettingsError, match="PUBLIC_URL is not set"):
        load({"DYNO": "web.1"})
    for dyno_name in ("release.1234", "worker.1", "run.4321"):
        load({"DYNO": dyno_name})


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"ODATA_AUTH": "anonymous"}, "ANONYMOUS_ORG is not set"),
        ({"JWT_ISSUER": "x", "JWT_KEY_FILE": "k"}, "JWT_AUDIENCE is not set"),
        ({"JWT_ISSUER": "x", "JWT_AUDIENCE": "y"}, "exactly one of JWT_JWKS_URL and JWT_KEY_FILE"),
        ({"JWT_JWKS_URL": "http://keys.example.com"}, "needs an https URL"),
        ({"WEB_THREADS": "4", "POOL_WAITING_REQUESTS": "3"}, "at most 2 with WEB_THREADS 4"),
    ],
)
def test_settings_that_contradict_each_other(variables: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError, match=line):
        load(variables)


def test_tokens_of_ones_own_need_all_that_makes_them() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"
    given = {"SF_AUTH": "jwt", "SF_CONSUMER_KEY": "3MVG9", "SF_USERNAME": "worker@acme.example"}
    with pytest.raises(SettingsError, match="SF_PRIVATE_KEY is not set: SF_AUTH=jwt needs it"):
        load(given)
    assert load(given | {"SF_PRIVATE_KEY": pem.replace("\n", "\\n")}).sf_private_key == pem
    assert "MIIB" not in repr(load(given | {"SF_PRIVATE_KEY": pem}))


def test_authorizations_are_one_name_or_one_for_each_org() -> None:
    assert load({}).applink_authorization == "worker"
    several = "00DbZ0000000001UAA=worker, 00DxY0000000002UAA=second_worker"
    assert load({"APPLINK_AUTHORIZATION": several}).applink_authorization == several
    for wrong in ("two words", "00Dx=worker", "worker,second", "00DbZ0000000001UAA="):
        with pytest.raises(SettingsError, match="APPLINK_AUTHORIZATION"):
            load({"APPLINK_AUTHORIZATION": wrong})
