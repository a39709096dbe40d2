"""The examples of docs/deviations.md, sent to the service as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from local.servers import Server
from odata.plan.limits import Profile
from tests.conformance.serving import Client
from tests.models import everything

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deviations.md"
OWN = ("As", "Of", "With")


@dataclass(frozen=True, slots=True)
class Example:
    """method and url as written; directions: As, Of, With; headers of the request; what stands in the answer."""

    method: str
    url: str
    status: int
    expected: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)
    directions: dict[str, str] = field(default_factory=dict)


def examples() -> Iterator[Example]:
    for block in re.findall(r"^```http\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        request, _, answer = block.partition("\n\n")
        first, *lines = request.splitlines()
        method, _, url = first.partition(" ")
        said = dict(line.split(": ", 1) for line in lines)
        status, *expected = answer.splitlines()
        yield Example(
            method, url, int(status), tuple(expected),
            {name: text for name, text in said.items() if name not in OWN},
            {name: text for name, text in said.items() if name in OWN},
        )  # fmt: skip


@pytest.fixture(scope="session")
def infinite_url(postgres_server: Server, worker: str) -> Iterator[str]:
    with postgres_server.new_database(f"{worker}_documented") as url:
        with psycopg.connect(url) as connection:
            everything.create(connection)
            everything.add_infinite_rows(connection)
        yield url


@pytest.fixture
def client(seeded_url: str, infinite_url: str) -> Iterator[Callable[[dict[str, str]], Client]]:
    opened: list[Client] = []

    def make(directions: dict[str, str]) -> Client:
        name, _, text = directions.get("With", "").partition("=")
        changed: dict[str, Any] = {name: int(text) if text.isdecimal() else text} if name else {}
        of_everything = directions.get("Of") == "everything"
        opened.append(
            Client(
                infinite_url if of_everything else seeded_url,
                everything.EXPOSURE if of_everything else None,
                org=everything.FIRST_ORG,
                profile=cast(Profile, directions.get("As", "strict")),
                **changed,
            )
        )
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_there_are_examples() -> None:
    assert len(list(examples())) > 20


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: f"{example.method} {example.url[:60]}")
def test_an_example_is_answered_as_the_page_says(example: Example, client: Callable[[dict[str, str]], Client]) -> None:
    reply = client(example.directions).send(example.method, example.url.replace(" ", "%20"), headers=example.headers)
    assert reply.status == example.status, reply.text
    answer = "\n".join(f"{name}: {text}" for name, text in reply.headers.items()) + "\n" + reply.text
    for line in example.expected:
        pattern = ".*?".join(re.escape(part) for part in line.split("..."))
        assert re.search(pattern, answer, re.IGNORECASE), f"{line!r} is not in:\n{answer}"
