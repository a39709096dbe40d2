"""gunicorn's settings, for Heroku and for `make run` alike; the numbers come from settings.py."""

import contextlib
import ctypes
import os
import sys

import settings as gateway_settings
from odata.protocol.log_records import gunicorn_log

try:
    _settings = gateway_settings.load(need=("DATABASE_URL", "GATEWAY_SECRET"))
except gateway_settings.SettingsError as problem:
    sys.exit(f"gateway: {problem}")

# On Heroku the service mesh takes the port that the router knows, and asks gunicorn on one inside the dyno.
bind = f"127.0.0.1:{_settings.app_port}" if _settings.app_port else f"{_settings.host}:{_settings.port}"
worker_class = "gunicorn_worker.ODataThreadWorker"
workers = _settings.web_concurrency
threads = _settings.web_threads

# A request that hangs is ended by its own deadline (odata/sql); this one ends a process that hangs as a whole.
timeout = 30
graceful_timeout = 25
# Longer than whoever keeps connections to us: Heroku's router and Go's HTTP client (the mesh) let go after 90 s. The
# other way round, a request may meet a connection that is just being closed.
keepalive = 100
# A process is replaced after a while, against leaks nobody knows of; what is known is bounded (tests/bars). Seldom,
# since it costs: the shapes learned, and up to two seconds without accepting. Busy connections hear `Connection: close`
# with their last answer; those idle for two seconds are closed.
max_requests = 100_000
max_requests_jitter = 20_000

limit_request_line = _settings.request_line_bytes
limit_request_field_size = _settings.header_field_bytes
limit_request_fields = _settings.header_fields

# No header may choose the path (SCRIPT_NAME let requests pass a proxy's path rules), and none with an underscore
# may pass for one with a hyphen. The buildpack's FORWARDED_ALLOW_IPS=* does not count.
forwarder_headers = ""
header_map = "refuse"
forwarded_allow_ips = "127.0.0.1,::1"
http_parser = "python"  # the other one refuses the same requests in other words (gunicorn_worker.py)

# glibc's allocator (malloc.h): one heap for all threads, so that a page of 2 MB takes the place of the one before, and
# what is larger goes back to the system at once instead of staying in the heap (docs/performance.md).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
with contextlib.suppress(OSError, AttributeError):
    for _option, _value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, 4_000_000), (_M_TRIM_THRESHOLD, 8_000_000)):
        ctypes.CDLL(None).mallopt(_option, _value)

control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
accesslog = None  # the application writes one line a request itself
# gunicorn's own debug lines hold request paths, and so the literals of key predicates.
loglevel = "info" if _settings.log_level == "debug" else _settings.log_level
logconfig_dict = gunicorn_log(loglevel)
proc_name = "gateway"
