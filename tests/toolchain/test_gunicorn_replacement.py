"""A web process that is replaced after so many requests: its clients are told, none is cut off."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from pathlib import Path

from local.web import Web, arguments, serving


def test_a_busy_client_is_never_cut_off(tmp_path: Path) -> None:
    words = [*arguments(), "--max-requests", "40", "--max-requests-jitter", "0"]
    outcomes: list[object] = []
    with serving("postgresql:///none", tmp_path / "log", command=words) as web:
        threads = [threading.Thread(target=_ask, args=(web, outcomes)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert web.log.read_text().count("Booting worker") >= 2
    assert Counter(outcomes).keys() == {200, "told to close"}
    assert outcomes.count(200) == 4 * 20


def _ask(web: Web, outcomes: list[object]) -> None:
    """20 requests, over one connection for as long as the server keeps it."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    for _ in range(20):
        try:
            connection.request("GET", "/healthcheck")
            answer = connection.getresponse()
            answer.read()
        except OSError as fault:
            outcomes.append(type(fault).__name__)
            connection.close()
        else:
            outcomes.append(answer.status)
            if answer.will_close:
                outcomes.append("told to close")
        time.sleep(0.02)
    connection.close()
