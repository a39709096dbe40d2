"""Explain: every stage of a request as text, for the project's service and for any exposure."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner

from cli import main as gateway
from models import credential, database, exposure, seed
from odata.__main__ import main as odata_main
from odata.explain import sql_lines
from odata.exposure_toml import to_table

DRAFTS = "/Quotes?$filter=Status eq 'Draft' and contains(Name,'a')&$top=2&$expand=Lines($top=1)"


@pytest.fixture
def run(seeded_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("DATABASE_URL", seeded_url)
    monkeypatch.setenv("GATEWAY_SECRET", "0123456789" * 4)
    return CliRunner()


def _sections(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(" ")][1:]


def test_every_stage_is_shown_in_order_without_a_database() -> None:
    done = CliRunner().invoke(gateway, ["explain", DRAFTS])
    assert done.exit_code == 0, done.output
    assert _sections(done.output) == ["tokens", "url", "plan", "sql"]
    assert "name:Status  name:eq  string:'Draft'" in done.output
    assert "left=(Path Status) right=(Literal kind='string' text='Draft' span=1:10-17)" in done.output
    assert "Comparison operator='eq' left=Quotes#0/Status" in done.output
    assert "FROM gateway.quote AS" in done.output
    assert f" = '{seed.ORGS[0]}'   the caller's org" in done.output
    assert "= 'Draft'   string as Edm.String" in done.output


def test_an_entity_of_root_is_shown_with_its_key() -> None:
    key = "019ea414-14c1-7f1c-8ce8-c460953e6616"
    asked = f"/Quotes?$filter=Revision gt $root/Quotes({key})/Revision"
    done = CliRunner().invoke(gateway, ["explain", asked, "--stage", "plan"])
    assert f"variable=Quotes(Id={key})#" in done.output, done.output


@pytest.mark.parametrize(("stage", "last"), [("url", "url"), ("plan", "plan"), ("sql", "sql")])
def test_a_stage_ends_it(stage: str, last: str) -> None:
    done = CliRunner().invoke(gateway, ["explain", DRAFTS, "--stage", stage])
    assert _sections(done.output)[-1] == last


def test_the_profile_changes_the_plan() -> None:
    strict = CliRunner().invoke(gateway, ["explain", DRAFTS, "--profile", "strict"]).output
    salesforce = CliRunner().invoke(gateway, ["explain", DRAFTS, "--profile", "salesforce"]).output
    assert "ignore_case=True" in salesforce and "ignore_case=True" not in strict


def test_analyze_shows_the_plan_of_the_database_and_the_first_rows(run: CliRunner) -> None:
    done = run.invoke(gateway, ["explain", DRAFTS, "--analyze"])
    assert done.exit_code == 0, done.output
    assert _sections(done.output) == ["tokens", "url", "plan", "sql", "database", "row"]
    assert "Execution Time:" in done.output and '"Status":"Draft"' in done.output


def test_analyze_reads_the_rows_of_the_named_org_only(run: CliRunner) -> None:
    done = run.invoke(gateway, ["explain", "/Quotes/$count", "--analyze", "--org", "00D000000000000"])
    assert "= '00D000000000000EAA'" in done.output and "count = 0" in done.output


@pytest.mark.parametrize(
    ("url", "sections", "said"),
    [
        ("/Quotes?$filter=Nme eq 1", ["tokens", "url", "refused: 400 UnknownProperty"], "No property 'Nme' on Quote"),
        ("/Quotes?$filter=Name eq", ["tokens", "refused: 400 UrlSyntaxError"], "offset 7"),
        ("/Quotes?$apply=aggregate($count as N)", ["tokens", "url", "refused: 501 Unsupported"], "$apply"),
        ("/$metadata", ["tokens", "url", "plan"], "no plan, no statement"),
    ],
)
def test_a_refusal_is_shown_where_it_happens(url: str, sections: list[str], said: str) -> None:
    done = CliRunner().invoke(gateway, ["explain", url])
    assert _sections(done.output) == sections
    assert said in done.output


@pytest.mark.parametrize("lead", ["", "/", "/odata/v4/", "http://127.0.0.1:8000/odata/v4/"])
def test_a_url_may_be_absolute(lead: str) -> None:
    done = CliRunner().invoke(gateway, ["explain", f"{lead}Quotes/$count", "--stage", "url"])
    assert done.output.startswith("GET Quotes/$count   org ")


def test_any_exposure_kept_as_toml_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "exposure.toml"
    file.write_text(tomli_w.dumps(to_table(exposure())), encoding="utf-8")
    done = CliRunner().invoke(odata_main, ["explain", "Jobs?$top=1", "--exposure", str(file)])
    assert done.exit_code == 0, done.output
    assert "FROM gateway.job AS" in done.output
    document = CliRunner().invoke(odata_main, ["metadata", "--exposure", str(file)])
    assert 'EntitySet Name="Jobs"' in document.output


def test_a_missing_exposure_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(odata_main, ["explain", "Jobs", "--exposure", str(tmp_path / "none.toml")])
    assert done.exit_code == 1 and len(done.output.splitlines()) == 1 and "--exposure" in done.output


def test_functions_are_listed_with_signatures() -> None:
    done = CliRunner().invoke(odata_main, ["functions"])
    assert "indexof(Edm.String,Edm.String) Edm.Int32" in done.output


def test_sql_is_indented_by_its_sub_selects_and_texts_stay_whole() -> None:
    sql = "SELECT a.x, '( FROM' AS y FROM (SELECT count(*) AS x \nFROM t WHERE (b = 1)) AS a ORDER BY a.x"
    assert sql_lines(sql) == [
        "SELECT a.x, '( FROM' AS y",
        "FROM (",
        "  SELECT count(*) AS x",
        "  FROM t",
        "  WHERE (b = 1)",
        ") AS a",
        "ORDER BY a.x",
    ]


def test_the_doctor_finds_nothing_wrong_but_a_missing_credential(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("GATEWAY_SECRET", "0123456789" * 4)
    sick = CliRunner().invoke(gateway, ["doctor"])
    assert sick.exit_code == 1
    assert [line for line in sick.output.splitlines() if not line.startswith("ok")] == [
        "WRONG  credentials: none; gateway credentials create --org 00D..."
    ]
    engine = database.engine(database_url)
    with engine.begin() as connection:
        credential.create(connection, org_id=seed.ORGS[0])
    engine.dispose()
    well = CliRunner().invoke(gateway, ["doctor"])
    assert well.exit_code == 0 and "credentials: 1 for 1 org" in well.output


def test_the_doctor_says_that_the_database_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("GATEWAY_SECRET", "0123456789" * 4)
    done = CliRunner().invoke(gateway, ["doctor"])
    assert done.exit_code == 1 and "WRONG  database:" in done.output and "Traceback" not in done.output
