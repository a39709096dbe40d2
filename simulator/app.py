"""HTTP in, HTTP out: one event loop, one thread, so that nothing needs a lock and a delay holds nobody else up.

READ THIS FIRST. `handle` is one call from the socket to the answer: who it is, whether a fault meets it, how long it
takes, what it does, what is kept of it. aiohttp comes with heroku-applink anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from aiohttp import web

from simulator import addon, callbacks, control, demo, login, rest
from simulator.calls import Answer, Call, refusal
from simulator.demo import Demo
from simulator.errors import SalesforceError
from simulator.faults import Fault
from simulator.world import Recorded, World, token_hash

LONGEST_LINE: Final = 64 * 1024
"""Of a request line and of a header: what the org refuses as too long has to come in first."""


class Front:
    """The server of one world. page: the demo page, where there is a gateway to show."""

    def __init__(self, world: World, page: Demo | None = None) -> None:
        self.world = world
        self.page = page

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        body = await request.content.read()
        call = self._call(request, body)
        if call.path.startswith(control.PREFIX):
            return _response(control.answer(self.world, call))
        if self.page is not None and demo.is_for_demo(call):
            return _response(await asyncio.to_thread(self.page.answer, call))
        record = self._record(call)
        fault = self.world.faults.meet(call.method, request.path_qs, body, record.user)
        record.fault = fault.id if fault else None
        started = time.perf_counter()
        try:
            with self._under_way(call, record.user) as allowed:
                answer = await self._answer(call, fault) if allowed is None else refusal(allowed)
        finally:
            record.ms = round((time.perf_counter() - started) * 1000, 3)
        if answer is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        record.status = answer.status
        return _response(answer)

    async def _answer(self, call: Call, fault: Fault | None) -> Answer | None:
        """What the call gets; None: the end of its connection."""
        delay = self.world.settings.delay_ms / 1000
        if fault is None:
            if delay:
                await asyncio.sleep(delay)
            return self._act(call)
        if not fault.after:
            await asyncio.sleep(delay + fault.delay)
            ordinary = None
        else:
            await asyncio.sleep(delay)
            ordinary = self._act(call)
            await asyncio.sleep(fault.delay)
        if fault.cut:
            return None
        if fault.refuse:
            return rest.refused(call, fault.refuse)
        if fault.status is None:
            return ordinary or self._act(call)
        text = isinstance(fault.body, str)
        kind = {"type": "text/html;charset=UTF-8"} if text else {}
        return Answer(status=fault.status, body=fault.body, headers=fault.headers, **kind)

    def _act(self, call: Call) -> Answer:
        for prefix, answer in AREAS:
            if call.path.startswith(prefix):
                return answer(self.world, call)
        return Answer(status=404, body="<html><body><h1>Not Found</h1></body></html>", type="text/html")

    def _call(self, request: web.BaseRequest, body: bytes) -> Call:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() in ("bearer", "oauth") else ""
        org_user = self.world.who(token, request.headers.get("Host", "")) if token else None
        return Call(
            method=request.method,
            path=request.path,
            raw_path=request.raw_path.partition("?")[0],
            query_text=request.raw_path.partition("?")[2],
            query=request.query,
            headers=request.headers,
            body=body,
            token=token,
            org=org_user[0] if org_user else None,
            user=org_user[1] if org_user else None,
        )

    def _record(self, call: Call) -> Recorded:
        world = self.world
        world.request_count += 1
        record = Recorded(
            number=world.request_count,
            started=time.time(),
            method=call.method,
            path=call.path,
            query=call.query_text,
            user=call.user.username if call.user else "",
            org=call.org.id if call.org else "",
            token=token_hash(call.token),
            request_id=call.headers.get("X-Request-Id", ""),
        )
        if world.settings.record_bodies and not call.path.endswith("/token"):
            record.body = call.body.decode("utf-8", "replace")
        world.requests.append(record)
        return record

    @contextlib.contextmanager
    def _under_way(self, call: Call, user: str) -> Iterator[SalesforceError | None]:
        """Counts the call among its user's; yields the refusal when it is a query too many."""
        world, counts = self.world, [(self.world.calls_under_way, self.world.most_calls)]
        if rest.is_query(call) and user:
            limit = world.settings.concurrent_queries
            if limit is not None and world.queries_under_way[user] >= limit:
                yield rest.too_many_queries(limit)
                return
            counts.append((world.queries_under_way, world.most_queries))
        for now, most in counts:
            now[user] += 1
            most[user] = max(most[user], now[user])
        try:
            yield None
        finally:
            for now, _ in counts:
                now[user] -= 1


AREAS: Final[tuple[tuple[str, Callable[[World, Call], Answer]], ...]] = (
    ("/services/data", rest.answer),
    (callbacks.PREFIX, callbacks.deliver),
    ("/services/oauth2/token", login.token),
    ("/services/oauth2/userinfo", login.userinfo),
    (f"{addon.PREFIX}/", addon.answer),
)
"""Path prefix -> who answers."""


def _response(answer: Answer) -> web.Response:
    body = answer.bytes()
    headers = dict(answer.headers)
    if body:
        headers.setdefault("Content-Type", answer.type)
    return web.Response(status=answer.status, body=body, headers=headers)


@contextlib.asynccontextmanager
async def serving(world: World, page: Demo | None = None) -> AsyncIterator[None]:
    """Within: the world answers on 127.0.0.1 and, where it exists, on ::1. Raises: OSError when the port is taken."""
    server = web.Server(
        Front(world, page).handle, access_log=None, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE
    )
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", world.port, backlog=512).start()
        with contextlib.suppress(OSError):
            await web.TCPSite(runner, "::1", world.port).start()
        yield
    finally:
        await runner.cleanup()
