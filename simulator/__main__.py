"""`python -m simulator --port 8010`: org and add-on on one port, the mesh in front of the gateway on another."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from simulator import addon, app, demo
from simulator.demo import Demo
from simulator.world import ADDON_TOKEN, OPPORTUNITIES, World


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; 1 when a port is taken."""
    options = _options(arguments)
    world = World(port=options.port, opportunities=options.opportunities, data_file=options.data)
    world.start_with({"delay_ms": options.delay_ms})
    try:
        asyncio.run(_serve(world, options))
    except OSError as problem:
        print(f"simulator: port {options.port} or {options.mesh_port} cannot be used: {problem}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8010, help="the org and the add-on (8010)")
    parser.add_argument("--mesh-port", type=int, help="the service mesh; none without it")
    parser.add_argument("--target", default="http://127.0.0.1:8000", help="the gateway behind the mesh")
    parser.add_argument("--data", type=Path, help="file that keeps what is changed over a restart")
    parser.add_argument("--opportunities", type=int, default=OPPORTUNITIES, help="how many the first org has")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="how long every call takes at least")
    parser.add_argument("--worker", type=Path, help="file of the supervisor whose worker the demo page may kill")
    return parser.parse_args(arguments)


async def _serve(world: World, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with app.serving(world, _page(options)):
        with _mesh(options):
            print(f"simulator: org and add-on on http://127.0.0.1:{options.port}", flush=True)
            await stop.wait()


def _page(options: argparse.Namespace) -> Demo | None:
    """The demo page; it needs a gateway behind a mesh."""
    if options.mesh_port is None:
        return None
    return demo.made(
        port=options.port, gateway=options.target.rstrip("/"), mesh_port=options.mesh_port, worker_file=options.worker
    )


def _mesh(options: argparse.Namespace) -> contextlib.AbstractContextManager[object]:
    """The mesh, in threads of its own."""
    if options.mesh_port is None:
        return contextlib.nullcontext()
    from simulator.mesh import Mesh, project_rules, serving

    addon_url = f"http://127.0.0.1:{options.port}{addon.PREFIX}"
    mesh = Mesh(target=options.target, addon_url=addon_url, addon_token=ADDON_TOKEN, rules=project_rules())
    return serving(mesh, options.mesh_port)


if __name__ == "__main__":
    sys.exit(main())
