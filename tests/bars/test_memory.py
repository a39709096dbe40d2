"""The worst legal requests, pages under change and the memory of a process; figures are printed.

Slow tests, all over one gunicorn process and 100,000 quotes with ten lines and more each. RSS is what /proc says of the
worker; the database's own process counts apart.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, perf_counter, sleep
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from local.servers import Server
from local.web import Web
from tests.models import everything

pytestmark = pytest.mark.slow

QUOTES = 100_000
MOST_BYTES = 8_000_000
MORE_LINES = sql.SQL("""
INSERT INTO gateway.quote_line (id, org_id, quote_id, line_number, name, description, quantity, unit_price, total_price)
SELECT gen_random_uuid(), q.org_id, q.id, {after} + n, 'Line ' || n, {description}, n, 1.5, n * 1.5
FROM (SELECT * FROM gateway.quote WHERE org_id = %(org)s ORDER BY created_at DESC LIMIT %(quotes)s) AS q,
     generate_series(1, %(lines)s) AS n
""")


@pytest.fixture(scope="module")
def large_url(postgres_server: Server, worker: str) -> Iterator[str]:
    """100,000 quotes, the first org's with ten lines more each."""
    from models import migrating, seed

    with postgres_server.new_database(f"{worker}_large") as url:
        migrating.migrate(url)
        seed.seed(url, quotes=QUOTES)
        with psycopg.connect(url) as connection:
            connection.execute("SELECT set_config('app.org_id', %s, true)", (everything.FIRST_ORG,))
            values = {"org": everything.FIRST_ORG, "quotes": QUOTES, "lines": 10}
            connection.execute(MORE_LINES.format(after=100, description="to be expanded"), values)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE) gateway.quote_line")
        yield url


@pytest.fixture(scope="module")
def large(large_url: str, gateway_server: Callable[..., Web]) -> Web:
    return gateway_server(large_url, ODATA_AUTH="anonymous", ANONYMOUS_ORG=everything.FIRST_ORG)


def test_the_worst_legal_expand(large: Web) -> None:
    """5 s at most or 503, 8 MB at most, 350 MB of one web process at most; what is above a limit is refused."""
    worst = [
        "Quotes?$expand=Lines",
        "Quotes?$expand=Lines($expand=Quote($expand=Lines))",
        "Quotes?$expand=Lines($expand=Quote($expand=Lines)),Events,Job($expand=Quotes,Items),RevisedFrom&$count=true",
        "Quotes?$expand=*",
        "Jobs?$expand=Quotes($expand=Lines($expand=Quote)),Items",
        "Quotes?$expand=Lines($orderby=Name desc;$count=true;$expand=Quote($expand=Job))&$orderby=AccountName",
        "Quotes?$expand=Lines($filter=contains(Name,'e') or Quote/Lines/any(l:l/Quantity gt 5))&$top=2001",
        "QuoteLines?$expand=Quote($expand=Lines($expand=Quote))",
        "Quotes?$expand=Lines($search=e)&$search=e&$orderby=Lines/$count desc",
    ]
    above = [
        "Quotes?$expand=*($levels=2)",
        "Quotes?$expand=Lines($expand=Quote($expand=Lines($expand=Quote)))",
    ]
    for url in above:
        seconds, status, body = _timed(large, url)
        assert (status, json.loads(body)["error"]["code"]) == (400, "LimitExceeded") and seconds <= 1, url
    for url in worst:
        seconds, status, body = _timed(large, url)
        peak = _peak_megabytes(large)
        print(f"\n{url}: {status}, {seconds:.2f} s, {len(body) / 1e6:.2f} MB, peak {peak:.0f} MB")
        assert status in (200, 503) and len(body) <= MOST_BYTES, url
        assert seconds <= 5 or status == 503, url
        assert peak <= 350
    with _four(lambda: _timed(large, worst[2])):
        pass
    print(f"four at once: peak {_peak_megabytes(large):.0f} MB")
    assert _peak_megabytes(large) <= 350


def test_pages_during_inserts_and_deletes(large: Web, large_url: str) -> None:
    """10,000 rows paged while 500 others come and go: every stable row once, in order."""
    stop = threading.Event()
    changed = [0]
    changer = threading.Thread(target=_come_and_go, args=(large_url, stop, changed))
    with psycopg.connect(large_url) as connection:
        rows = connection.execute(
            "SELECT id::text FROM gateway.discount_rule WHERE false UNION ALL (SELECT id::text FROM gateway.quote "
            "WHERE org_id = %s AND deleted_at IS NULL ORDER BY created_at, id LIMIT 10000)",
            (everything.FIRST_ORG,),
        ).fetchall()
        stable = [row[0] for row in rows]
        last = connection.execute(
            "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM gateway.quote "
            "WHERE id = %s",
            (stable[-1],),
        ).fetchone()
    assert last is not None
    changer.start()
    seen: list[str] = []
    url: str | None = f"Quotes?$select=Id&$orderby=CreatedAt&$filter=CreatedAt le {last[0]}"
    try:
        while url:
            status, body = _get(large, url, prefer="maxpagesize=100")
            assert status == 200, body[:300]
            page = json.loads(body)
            seen += [row["Id"] for row in page["value"]]
            url = page.get("@odata.nextLink", "").partition("/odata/v4/")[2] or None
    finally:
        stop.set()
        changer.join()
    wanted = set(stable)
    found = [key for key in seen if key in wanted]
    print(f"\n{len(seen)} rows of which {len(found)} stable, {changed[0]} changes meanwhile")
    assert changed[0] >= 500
    assert len(found) == len(set(found)), "a stable row twice"
    assert not wanted - set(found), "a gap"
    assert found == stable, "out of order"


def test_a_web_process_stays_small(large: Web, large_url: str) -> None:
    """Pages of 2,000 rows of all columns, and 2,000 lines of 32,000 characters, for a minute with eight clients."""
    with psycopg.connect(large_url) as connection:
        connection.execute("SELECT set_config('app.org_id', %s, true)", (everything.FIRST_ORG,))
        wide = sql.SQL("repeat('wide ', 6399) || n")
        values = {"org": everything.FIRST_ORG, "quotes": 200, "lines": 10}
        connection.execute(MORE_LINES.format(after=500, description=wide), values)
    urls = [
        "Quotes",
        "Quotes?$count=true&$top=2001",
        f"QuoteLines?$filter={quote('LineNumber gt 500 and length(Description) gt 31000')}",
        f"QuoteLines?$filter={quote('LineNumber gt 500')}&$orderby=Name",
    ]
    answered: list[tuple[int, int]] = []
    until = monotonic() + 60

    def client(number: int) -> None:
        while monotonic() < until:
            for url in urls[number % 2 :]:
                status, body = _get(large, url, encoding="gzip" if number % 4 == 0 else "identity")
                answered.append((status, len(body)))
                if status == 503:
                    sleep(0.5)  # at once again would only count up to gunicorn's max_requests

    most, process = 0.0, _worker_process(large)
    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert _worker_process(large) == process, large.log.read_text()[-3000:]
        most = max(most, _megabytes(large))
        sleep(0.1)
    statuses = {status: sum(1 for one, _ in answered if one == status) for status in {one for one, _ in answered}}
    print(
        f"\n{statuses}, largest answer {max(size for _, size in answered) / 1e6:.1f} MB, "
        f"most {most:.0f} MB, then {_megabytes(large):.0f} MB"
    )
    assert set(statuses) <= {200, 503} and statuses[200] > 50
    assert max(size for _, size in answered) <= MOST_BYTES
    assert most <= 150


# --- a client --------------------------------------------------------------------------------------------------------


def _get(web: Web, url: str, *, prefer: str = "", encoding: str = "identity") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", web.port, timeout=60)
    headers = {"Accept-Encoding": encoding} | ({"Prefer": prefer} if prefer else {})
    try:
        connection.request("GET", "/odata/v4/" + url.replace(" ", "%20"), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _timed(web: Web, url: str) -> tuple[float, int, bytes]:
    started = perf_counter()
    status, body = _get(web, url)
    return perf_counter() - started, status, body


class _four:
    """Run something four times at once."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.threads = [threading.Thread(target=work) for _ in range(4)]

    def __enter__(self) -> None:
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        for thread in self.threads:
            thread.join()


def _come_and_go(url: str, stop: threading.Event, changed: list[int]) -> None:
    """Copies of early quotes come, and go again."""
    with psycopg.connect(url, autocommit=True) as connection:
        while not stop.is_set() or changed[0] < 500:
            with connection.transaction():
                connection.execute("SELECT set_config('app.org_id', %s, true)", (everything.FIRST_ORG,))
                made = connection.execute(
                    "INSERT INTO gateway.quote (id, org_id, name, opportunity_id, created_at) "
                    "SELECT gen_random_uuid(), org_id, 'passing', opportunity_id, "
                    "created_at + random() * interval '1 day' FROM "
                    "(SELECT * FROM gateway.quote WHERE org_id = %s AND name <> 'passing' ORDER BY created_at "
                    "LIMIT 9000) AS q ORDER BY random() LIMIT 5 RETURNING id",
                    (everything.FIRST_ORG,),
                ).fetchall()
            changed[0] += len(made)
            with connection.transaction():
                connection.execute("SELECT set_config('app.org_id', %s, true)", (everything.FIRST_ORG,))
                connection.execute("DELETE FROM gateway.quote WHERE id = ANY(%s)", ([row[0] for row in made[:4]],))
            changed[0] += 4


# --- memory ----------------------------------------------------------------------------------------------------------


def _worker_process(web: Web) -> int:
    children = Path(f"/proc/{web.process.pid}/task/{web.process.pid}/children").read_text().split()
    assert len(children) == 1, "one web process was asked for"
    return int(children[0])


def _status_megabytes(process: int, name: str) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise AssertionError(name)


def _megabytes(web: Web) -> float:
    return _status_megabytes(_worker_process(web), "VmRSS")


def _peak_megabytes(web: Web) -> float:
    return _status_megabytes(_worker_process(web), "VmHWM")
