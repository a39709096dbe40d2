"""salesforce/: well-formed, with the names that the gateway, the simulated org and the published contract know."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from lxml import etree

from simulator import describe

FOLDER = Path(__file__).resolve().parents[2] / "salesforce"
NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"
FILES = sorted(FOLDER.rglob("*-meta.xml"))
ALL = frozenset({"gateway_key", "discount_override", "events", "quotes"})
ROOTS = {
    "field": "CustomField", "object": "CustomObject", "permissionset": "PermissionSet", "cls": "ApexClass",
    "trigger": "ApexTrigger",
}  # fmt: skip
API_VERSION = "64.0"


def read(path: Path) -> etree._Element:
    return etree.parse(path).getroot()


def text(element: etree._Element, name: str) -> str:
    return element.findtext(f"{NAMESPACE}{name}", default="")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_what_its_name_says(path: Path) -> None:
    name, kind = path.name.removesuffix("-meta.xml").rsplit(".", 1)
    root = read(path)
    assert root.tag == f"{NAMESPACE}{ROOTS[kind]}"
    if kind == "field":
        assert text(root, "fullName") == name
    if kind in ("cls", "trigger"):
        assert path.with_name(f"{name}.{kind}").is_file() and text(root, "apiVersion") == API_VERSION


def test_no_code_lacks_its_metadata() -> None:
    for code in (*FOLDER.rglob("*.cls"), *FOLDER.rglob("*.trigger")):
        assert code.with_name(f"{code.name}-meta.xml").is_file()


def custom_fields() -> dict[str, etree._Element]:
    return {
        f"{path.parents[1].name}.{path.name.split('.')[0]}": read(path) for path in FOLDER.rglob("*.field-meta.xml")
    }


@pytest.mark.parametrize("name", sorted(custom_fields()))
def test_a_field_is_the_one_that_the_simulated_org_has(name: str) -> None:
    sobject, _, field = name.partition(".")
    known = describe.catalog(ALL)[sobject.lower()].fields[field.lower()]
    said = custom_fields()[name]
    assert known.name == field
    if text(said, "type") == "Text":
        assert int(text(said, "length")) == known.length and known.type == "string"
    else:
        assert {"Percent": "percent", "Number": "double"}[text(said, "type")] == known.type
    assert (text(said, "externalId") == "true", text(said, "unique") == "true") == (known.external_id,) * 2


def test_every_custom_field_that_the_gateway_uses_is_there() -> None:
    own = {
        f"{sobject.name}.{field.name}"
        for sobject in describe.catalog(ALL).values()
        for field in sobject.fields.values()
        if field.name.endswith("__c") and field.name != "Region__c"
    }
    assert own == set(custom_fields())


def test_the_event_is_published_at_once() -> None:
    (path,) = FOLDER.rglob("Quote_Job__e.object-meta.xml")
    assert text(read(path), "eventType") == "HighVolume" and text(read(path), "publishBehavior") == "PublishImmediately"


def permission_sets() -> dict[str, etree._Element]:
    return {path.name.split(".")[0]: read(path) for path in FOLDER.rglob("*.permissionset-meta.xml")}


def test_permission_sets_name_what_is_there() -> None:
    classes = {path.stem for path in FOLDER.rglob("*.cls")}
    objects = {sobject.name for sobject in describe.catalog(ALL).values()}
    for name, said in permission_sets().items():
        fields = {one.text for one in said.iterfind(f"{NAMESPACE}fieldPermissions/{NAMESPACE}field")}
        assert fields <= set(custom_fields()), name
        assert {one.text for one in said.iterfind(f"{NAMESPACE}classAccesses/{NAMESPACE}apexClass")} <= classes
        assert {one.text for one in said.iterfind(f"{NAMESPACE}objectPermissions/{NAMESPACE}object")} <= objects


def test_only_the_one_of_user_plus_mode_is_activated_by_a_session() -> None:
    activated = {name for name, said in permission_sets().items() if text(said, "hasActivationRequired") == "true"}
    assert activated == {"QuoteGatewayPerms"}


def test_a_permission_to_a_record_brings_those_it_depends_on() -> None:
    for name, said in permission_sets().items():
        for one in said.iterfind(f"{NAMESPACE}objectPermissions"):
            flag = {child.tag.removeprefix(NAMESPACE): child.text == "true" for child in one}
            assert flag["allowRead"], name
            assert flag["allowEdit"] or not flag["allowDelete"], name
            assert (flag["allowDelete"] and flag["viewAllRecords"]) or not flag["modifyAllRecords"], name


def test_every_package_directory_is_there() -> None:
    project = json.loads((FOLDER / "sfdx-project.json").read_text())
    assert project["sourceApiVersion"] == API_VERSION
    folders = {one["path"] for one in project["packageDirectories"]}
    assert folders == {path.name for path in FOLDER.iterdir() if path.is_dir()} - {"config"}
    assert json.loads((FOLDER / "config" / "project-scratch-def.json").read_text())["features"] == ["HerokuAppLink"]


@pytest.mark.parametrize("path", [*FOLDER.rglob("*.cls"), *FOLDER.rglob("*.trigger")], ids=lambda path: path.name)
def test_brackets_of_code_close(path: Path) -> None:
    """No compiler is at hand; what a slip of an editor leaves is found."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*|'(?:[^'\\]|\\.)*'", "", path.read_text(), flags=re.DOTALL)
    open_ones: list[str] = []
    for letter in code:
        if letter in "([{":
            open_ones.append(letter)
        elif letter in ")]}":
            assert open_ones and open_ones.pop() + letter in ("()", "[]", "{}")
    assert not open_ones
