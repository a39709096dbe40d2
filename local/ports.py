"""Ports of `make run`: free before anything starts, and what an earlier run left behind is ended first."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

import psutil

from local.servers import PROJECT
from local.trouble import Trouble, say

MARK = "GATEWAY_STARTED_BY_MAKE_IN"
"""Variable that every process of `make run` carries: its checkout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A port that is about to be used. variable: what moves it; use: "web server", ..."""

    use: str
    variable: str
    port: int
    host: str = "127.0.0.1"


def ensure_free(wanted: tuple[Wanted, ...], *, alone: bool) -> None:
    """Nothing listens on any of them. alone: no other `make run` of this checkout lives, so its leftovers are ended.

    Raises: Trouble, one line: which port, by whom, and which variable moves it.
    """
    _ensure_different(wanted)
    if alone:
        _end_leftovers()
    for one in wanted:
        if _is_taken(one):
            holders = _listeners(one.port)
            by = f" by {holders[0].name()} (process {holders[0].pid})" if holders else ""
            mine = "" if alone else "; make run is running in this checkout already"
            way_out = f"choose another for the {one.use}, make run {one.variable}={_next(one.port, wanted)}"
            raise Trouble(f"port {one.port} is taken{by}{mine}: {way_out}")


def _ensure_different(wanted: tuple[Wanted, ...]) -> None:
    seen: dict[int, Wanted] = {}
    for one in wanted:
        other = seen.setdefault(one.port, one)
        if other is not one:
            way_out = f"choose another, make run {one.variable}={_next(one.port, wanted)}"
            raise Trouble(f"port {one.port} is wanted for {other.use} and {one.use}: {way_out}")


def _next(port: int, wanted: tuple[Wanted, ...]) -> int:
    """A number above that none of the others has."""
    taken = {one.port for one in wanted}
    return next(number for number in range(port + 1, port + 2 + len(taken)) if number not in taken)


def _end_leftovers() -> None:
    """Web server, worker and simulator outlive a `make run` that was killed; a worker would go on with old code."""
    leftover = [process for process in psutil.process_iter() if _is_ours(process)]
    if leftover:
        say(f"ending {len(leftover)} processes that an earlier make run left")
        for process in leftover:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(leftover, timeout=5)


def _is_ours(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.environ().get(MARK) == str(PROJECT)
    return False


def _is_taken(wanted: Wanted) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except PermissionError:
            way_out = f"choose one from 1024 on, make run {wanted.variable}={wanted.port % 1000 + 8000}"
            raise Trouble(f"port {wanted.port} needs root: {way_out}") from None
        except OSError:
            return True
    return False


def _listeners(port: int) -> list[psutil.Process]:
    """The processes that listen on a port, as far as this account may see them; parents first."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections("tcp")
            ):
                found.add(process)
    return sorted(found, key=lambda process: process.pid)
