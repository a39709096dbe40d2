"""Who is asking: challenges, the cache of verified headers, rotation, revocation, limits of failures, the platform."""

from __future__ import annotations

import base64
import contextlib
import statistics
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models import credential
from odata.errors import Forbidden, TooManyRequests, Unauthorized, Unavailable
from odata.protocol.attempts import Attempts
from odata.protocol.auth import HSTS, Authenticator, Platform
from odata.protocol.basic import Basic, BasicLimits, Hashing, tried
from odata.service import Principal

ORG = "00D000000000001AAA"
SECRET, NEXT_SECRET = "a first secret: with a colon", "ein zweites Geheimnis, größer"
HASH, NEXT_HASH = credential.hash_secret(SECRET), credential.hash_secret(NEXT_SECRET)
HASHING = Hashing(credential.verify_hash, credential.hash_secret("of nobody"))
SOURCE = "192.0.2.1"


@dataclass(frozen=True, kw_only=True)
class Row:
    username: str = "sales"
    org_id: str = ORG
    profile: str = "salesforce"
    scope: str = "read"
    sets: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    previous_valid_until: datetime | None = None
    secret_hash: str = HASH
    secret_previous_hash: str | None = None
    revoked: bool = False

    def hashes(self, now: datetime) -> tuple[str, ...]:
        if self.revoked or (self.expires_at is not None and self.expires_at <= now):
            return ()
        if self.secret_previous_hash and self.previous_valid_until and now < self.previous_valid_until:
            return (self.secret_hash, self.secret_previous_hash)
        return (self.secret_hash,)


@dataclass
class Store:
    """The credential table, with a switch to take it away."""

    row: Row = field(default_factory=Row)
    away: bool = False
    asked: int = 0

    def find(self, username: str) -> Row | None:
        self.asked += 1
        if self.away:
            raise OSError("no connection")
        return self.row if username == self.row.username else None


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def verify(store: Store) -> Authenticator:
    return Authenticator(basic=Basic(store.find, HASHING))


def header(secret: str = SECRET, username: str = "sales") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()}


def refused(verify: Authenticator, headers: dict[str, str], source: str = SOURCE) -> type[Exception] | None:
    try:
        verify(headers, source)
    except (Unauthorized, TooManyRequests) as error:
        return type(error)
    return None


def test_a_right_secret_is_its_credential(store: Store, verify: Authenticator) -> None:
    store.row = replace(store.row, sets=("Quotes", "Jobs"), scope="write")
    assert verify(header(), SOURCE) == Principal(
        identity="sales", org_id=ORG, profile="salesforce", scope="write", sets=frozenset({"Quotes", "Jobs"})
    )


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"sales").decode(),
        "Basic " + base64.b64encode(b":" + SECRET.encode()).decode(),
        "Basic " + base64.b64encode(b"sales:\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"sales:a\x00b").decode(),
        "Basic " + base64.b64encode(b"x" * 4000 + b":y").decode(),
        "Basic " + base64.b64encode(b"SALES:" + SECRET.encode()).decode(),
        "Basic größe",
        "Bearer abc",
        "Digest username=sales",
    ],
)
def test_anything_else_is_401_with_a_challenge(verify: Authenticator, value: str | None) -> None:
    with pytest.raises(Unauthorized) as caught:
        verify({} if value is None else {"authorization": value}, SOURCE)
    assert caught.value.headers["WWW-Authenticate"] == 'Basic realm="gateway", charset="UTF-8"'
    assert "sales" not in caught.value.message


def test_a_verified_header_is_believed_without_asking(store: Store, verify: Authenticator) -> None:
    verify(header(), SOURCE)
    store.away = True
    assert verify(header(), SOURCE).identity == "sales"
    assert store.asked == 1
    with pytest.raises(Unavailable) as caught:
        verify(header(NEXT_SECRET), SOURCE)
    assert caught.value.headers["Retry-After"]


def test_a_cached_look_up_costs_next_to_nothing(verify: Authenticator) -> None:
    headers = header()
    verify(headers, SOURCE)
    samples = []
    for _ in range(50):
        began = time.perf_counter()
        for _ in range(20):
            verify(headers, SOURCE)
        samples.append((time.perf_counter() - began) / 20)
    assert statistics.median(samples) < 0.000_05


def counted(hashing: Hashing) -> tuple[list[str], Hashing]:
    """The same, and the hashes that were looked at, in order."""
    hashed: list[str] = []

    def matches(hash: str, secret: str) -> bool:
        hashed.append(hash)
        return hashing.matches(hash, secret)

    return hashed, replace(hashing, matches=matches)


def test_fifty_first_requests_at_once_cost_one_hash(store: Store) -> None:
    hashed, counting = counted(HASHING)
    verify = Authenticator(basic=Basic(store.find, counting))
    outcomes: list[str] = []
    threads = [threading.Thread(target=lambda: outcomes.append(verify(header(), SOURCE).identity)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["sales"] * 50
    assert (len(hashed), store.asked) == (1, 1)


def test_both_secrets_are_right_during_a_rotation(store: Store, verify: Authenticator) -> None:
    verify(header(), SOURCE)
    overlap = datetime.now(UTC) + timedelta(hours=1)
    store.row = replace(store.row, secret_hash=NEXT_HASH, secret_previous_hash=HASH, previous_valid_until=overlap)
    for _ in range(20):
        assert refused(verify, header()) is None
        assert refused(verify, header(NEXT_SECRET)) is None
    assert refused(Authenticator(basic=Basic(store.find, HASHING)), header()) is None
    store.row = replace(store.row, previous_valid_until=datetime.now(UTC) - timedelta(seconds=1))
    assert refused(Authenticator(basic=Basic(store.find, HASHING)), header()) is Unauthorized


@pytest.mark.parametrize(
    "ended", [{"revoked": True}, {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, {"secret_hash": NEXT_HASH}]
)
def test_what_is_revoked_expired_or_replaced_is_401_once_the_cache_is_over(store: Store, ended: dict[str, Any]) -> None:
    verify = Authenticator(basic=Basic(store.find, HASHING, BasicLimits(cache_seconds=0.2)))
    assert refused(verify, header()) is None
    store.row = replace(store.row, **ended)
    assert refused(verify, header()) is None
    time.sleep(0.25)
    assert refused(verify, header()) is Unauthorized


def test_a_credential_is_not_believed_past_its_end(store: Store, verify: Authenticator) -> None:
    store.row = replace(store.row, expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
    assert refused(verify, header()) is None
    time.sleep(0.35)
    assert refused(verify, header()) is Unauthorized


def test_proving_a_known_header_again_asks_the_table_but_hashes_nothing(store: Store) -> None:
    hashed, counting = counted(HASHING)
    verify = Authenticator(basic=Basic(store.find, counting, BasicLimits(cache_seconds=0.05)))
    verify(header(), SOURCE)
    time.sleep(0.06)
    verify(header(), SOURCE)
    assert (len(hashed), store.asked) == (1, 2)


def test_an_outage_of_the_table_is_survived_for_a_while(store: Store) -> None:
    """Nobody can say whether a known credential ended, so it has not; one never seen is 503, and one over is over."""
    verify = Authenticator(basic=Basic(store.find, HASHING, BasicLimits(cache_seconds=0.05, away_seconds=0.4)))
    verify(header(), SOURCE)
    time.sleep(0.06)
    store.away = True
    assert refused(verify, header()) is None
    with pytest.raises(Unavailable):
        verify(header(NEXT_SECRET), SOURCE)
    time.sleep(0.45)
    with pytest.raises(Unavailable) as caught:
        verify(header(), SOURCE)
    assert caught.value.headers["Retry-After"]


def test_a_known_end_holds_in_an_outage(store: Store) -> None:
    verify = Authenticator(basic=Basic(store.find, HASHING, BasicLimits(cache_seconds=0.05)))
    store.row = replace(store.row, expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
    verify(header(), SOURCE)
    time.sleep(0.1)
    store.away = True
    assert refused(verify, header()) is None
    time.sleep(0.25)
    with pytest.raises(Unavailable):
        verify(header(), SOURCE)


def test_the_end_of_a_previous_secret_is_felt_when_it_comes(store: Store, verify: Authenticator) -> None:
    overlap = datetime.now(UTC) + timedelta(seconds=0.4)
    store.row = replace(store.row, secret_hash=NEXT_HASH, secret_previous_hash=HASH, previous_valid_until=overlap)
    assert refused(verify, header()) is None
    time.sleep(0.45)
    assert refused(verify, header()) is Unauthorized


def test_after_the_outage_a_revocation_is_felt(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odata.protocol.basic.RETRY_SECONDS", 0.1)
    monkeypatch.setattr("odata.protocol.lookups.REST_SECONDS", 0.1)
    verify = Authenticator(basic=Basic(store.find, HASHING, BasicLimits(cache_seconds=0.05)))
    verify(header(), SOURCE)
    time.sleep(0.06)
    store.away = True
    assert refused(verify, header()) is None
    store.away, store.row = False, replace(store.row, revoked=True)
    time.sleep(0.15)
    assert refused(verify, header()) is Unauthorized


def test_a_table_that_hangs_holds_two_threads_and_no_known_header(store: Store) -> None:
    hanging, released = threading.Event(), threading.Event()

    def find(username: str) -> Row | None:
        if hanging.is_set():
            released.wait(10)
        return store.find(username)

    verify = Authenticator(basic=Basic(find, HASHING, BasicLimits(cache_seconds=0.05, failures_per_minute=1000)))
    verify(header(), SOURCE)
    time.sleep(0.06)
    hanging.set()
    lasted: list[float] = []

    def ask(headers: dict[str, str]) -> None:
        began = time.monotonic()
        with contextlib.suppress(Unavailable, Unauthorized):
            verify(headers, SOURCE)
        lasted.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask, args=(header(username=f"new {number}"),)) for number in range(10)]
    threads += [threading.Thread(target=ask, args=(header(),)) for _ in range(10)]
    for thread in threads:
        thread.start()
    time.sleep(1.2)
    quick = len(lasted)
    assert verify(header(), SOURCE).identity == "sales", "believed while the table hangs"
    released.set()
    for thread in threads:
        thread.join()
    assert quick >= 18 and sorted(lasted)[17] < 1.2


def test_the_cache_is_bounded(store: Store) -> None:
    limits = BasicLimits(cache_entries=3, failures_per_minute=1000)
    one = Basic(store.find, HASHING, limits)
    for number in range(6):
        one(header(f"wrong {number}")["authorization"][6:], SOURCE)
    assert len(one._refused) == 3


def test_guessing_is_slowed_down_for_this_credential_and_source_only(store: Store, verify: Authenticator) -> None:
    outcomes = [refused(verify, header(f"guess {number}")) for number in range(14)]
    assert outcomes == [Unauthorized] * 10 + [TooManyRequests] * 4
    with pytest.raises(TooManyRequests) as caught:
        verify(header("guess 99"), SOURCE)
    assert 0 < int(caught.value.headers["Retry-After"]) <= 60
    assert refused(verify, header("guess 99"), "192.0.2.2") is Unauthorized
    assert refused(verify, header("guess 99", "other")) is Unauthorized


def test_a_verified_secret_is_never_locked_out(store: Store) -> None:
    verify = Authenticator(basic=Basic(store.find, HASHING, BasicLimits(cache_seconds=0.05)))
    verify(header(), SOURCE)
    for number in range(15):
        refused(verify, header(f"guess {number}"))
    time.sleep(0.06)
    assert refused(verify, header()) is None


def test_one_wrong_secret_again_and_again_is_429_cheaply_and_keeps_nobody_out(
    store: Store, verify: Authenticator
) -> None:
    outcomes = [refused(verify, header("an old secret")) for _ in range(1000)]
    assert outcomes == [Unauthorized] * 10 + [TooManyRequests] * 990
    assert store.asked == 1
    assert refused(verify, header()) is None


def test_the_window_of_failures_passes() -> None:
    now = [0.0]
    attempts = Attempts(2, clock=lambda: now[0])
    attempts.failed("sales", SOURCE)
    attempts.failed("sales", SOURCE)
    with pytest.raises(TooManyRequests):
        attempts.check("sales", SOURCE)
    now[0] = 60.0
    attempts.check("sales", SOURCE)


def test_one_source_cannot_try_names_without_end() -> None:
    attempts = Attempts(2)
    for number in range(20):
        attempts.check(f"name {number}", SOURCE)
        attempts.failed(f"name {number}", SOURCE)
    with pytest.raises(TooManyRequests):
        attempts.check("name 21", SOURCE)
    attempts.check("name 21", "192.0.2.2")


def test_anonymous_only_when_set(store: Store) -> None:
    everybody = Principal(identity="anonymous", org_id=ORG)
    verify = Authenticator(basic=Basic(store.find, HASHING), anonymous=everybody)
    assert verify({}, SOURCE) == everybody
    assert verify(header(), SOURCE).identity == "sales"
    assert refused(verify, header("wrong")) is Unauthorized


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 2.2.2.2 , 203.0.113.9", "203.0.113.9"),
        (2, "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        (2, "203.0.113.9", "10.0.0.1"),
    ],
)
def test_the_source_is_what_our_own_proxy_wrote(proxies: int, forwarded: str, expected: str) -> None:
    assert Platform(trusted_proxies=proxies).source({"x-forwarded-for": forwarded}, "10.0.0.1") == expected


def test_credentials_over_plain_http_are_403_behind_the_platform(store: Store) -> None:
    behind = Authenticator(basic=Basic(store.find, HASHING), platform=Platform(trusted_proxies=1))
    with pytest.raises(Forbidden):
        behind(header() | {"x-forwarded-proto": "http"}, SOURCE)
    assert behind(header() | {"x-forwarded-proto": "https"}, SOURCE).identity == "sales"
    alone = Authenticator(basic=Basic(store.find, HASHING))
    assert alone(header() | {"x-forwarded-proto": "http"}, SOURCE).identity == "sales"


def test_https_is_told_to_stay_https() -> None:
    behind = Platform(trusted_proxies=1)
    assert behind.response_headers({"x-forwarded-proto": "https"}) == (HSTS,)
    assert behind.response_headers({"x-forwarded-proto": "http"}) == ()
    assert Platform().response_headers({"x-forwarded-proto": "https"}) == ()


@pytest.mark.slow
def test_an_unknown_user_takes_as_long_as_a_wrong_secret(store: Store) -> None:
    one = Basic(store.find, HASHING, BasicLimits(failures_per_minute=100_000))

    def milliseconds(username: str, number: int) -> float:
        encoded = header(f"wrong {number}", username)["authorization"][6:]
        began = time.perf_counter()
        one(encoded, SOURCE)
        return time.perf_counter() - began

    known, unknown = [], []
    for number in range(200):
        known.append(milliseconds("sales", number))
        unknown.append(milliseconds("nobody", number))
    assert abs(statistics.median(known) / statistics.median(unknown) - 1) < 0.1


@pytest.mark.parametrize(
    ("credentials", "name"),
    [
        ("sales:old", "sales"),
        ("sales:with: colons", "sales"),
        ("sales\r\n\x1b[31mü:old", "sales???[31m?"),
        ("s" * 200 + ":old", "s" * 80),
        ("a secret alone", None),
        ("sales:", None),
        (":old", None),
        ("s" * 256 + ":old", None),
        ("Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6_-eA:sales", None),
    ],
)
def test_the_username_that_was_tried_is_told_and_no_secret(credentials: str, name: str | None) -> None:
    encoded = base64.b64encode(credentials.encode()).decode()
    assert tried({"authorization": f"BASIC {encoded}"}) == name
    assert tried({"authorization": f"Bearer {encoded}"}) is None


def test_without_credentials_nobody_was_tried() -> None:
    assert tried({}) is None and tried({"authorization": "Basic \xff"}) is None
