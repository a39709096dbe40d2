"""Switches of the protocol: documents, versions, formats, headers, ETags, methods, errors, who is asking."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, NoReturn

from flask import Response

import gunicorn_worker
from odata import pipeline
from odata.errors import MethodNotAllowed
from odata.payload import envelope
from odata.payload.errors import error_body
from odata.payload.formats import MetadataLevel, json_format
from odata.protocol import negotiate, wsgi
from odata.sql.json import JSON_FORMS
from odata.url import options, parts
from odata.url.tokens import Tokens
from tests.conformance.switches.switch import Off, Switch, both, entry, put, without

FORMAT = "test_m40_5_format: Things"
BY_GUNICORN = gunicorn_worker.answer
NUMBERS = itertools.count()
SENT, SPLIT = wsgi._sent, parts.split


def _variant_without(*names: str) -> Off:
    """What decides which prepared statement serves a request, less some of it."""

    def variant(reading: Any) -> Any:
        known = {
            "profile": reading.principal.profile,
            "sets": reading.principal.sets,
            "format": reading.format,
            "page": reading.page,
        }
        return tuple(value for name, value in known.items() if name not in names)

    return put("odata.pipeline.Reading.variant", property(variant))


def _without_etag(*given: Any) -> Any:
    return replace(envelope._entity(*given), etag=None)


def _without_version(*given: Any) -> Any:
    headers, chunks = SENT(*given)
    return [(name, value) for name, value in headers if name != "OData-Version"], chunks


def _only_minimal(version: Any, metadata: MetadataLevel = "minimal", **more: Any) -> Any:
    return json_format(version, "minimal", **more)


def _never_minimal(version: Any, metadata: MetadataLevel = "minimal", **more: Any) -> Any:
    return json_format(version, "none" if metadata == "minimal" else metadata, **more)


def _without_ieee754(version: Any, *level: Any, ieee754: bool = False, **more: Any) -> Any:
    return json_format(version, *level, **more)


def _plainly(wanted: Any, version: Any, format_option: Any) -> Any:
    return negotiate._plain("text/plain", (), wanted, version, format_option, "")


def _any_json(wanted: Any, version: Any, *_: Any) -> Any:
    return json_format(version)


def _without_allow(*_: Any) -> NoReturn:
    raise MethodNotAllowed("No.", allow=())


def _any_format(tokens: Tokens, offset: int) -> str:
    tokens.seek(len(tokens.text))
    return tokens.text[offset:]


def _twice(*given: Any, **more: Any) -> Any:
    pipeline.answer(*given, **more)
    return pipeline.answer(*given, **more)


DOCUMENTS: dict[str, Switch] = {
    "the service document lists nothing": Switch(
        put("odata.documents.service_document", lambda *_: b'{"value": []}'), ("test_m40_1_service_document",)
    ),
    "If-None-Match is not read": Switch(
        put("odata.payload.response.matches", lambda *_: False), ("test_m40_13_*", "test_m40_26_etags")
    ),
    "the newest version is always spoken": Switch(
        put("odata.protocol.negotiate._version", lambda *_: "4.01"),
        ("test_m40_4_version: None*", "test_m40_4_version: 4.0, *", "test_m40_4_version: 3*", "test_m40_4_version: x*"),
    ),
    "the oldest version is always spoken": Switch(
        put("odata.protocol.negotiate._version", lambda *_: "4.0"),
        ("test_m40_4_version: 4.01*", "test_m40_4_version: 5*", "test_m40_13_*", "test_links_of_4_01"),
    ),
}  # fmt: skip

FORMATS: dict[str, Switch] = {
    "metadata is always minimal": Switch(
        put("odata.protocol.negotiate.json_format", _only_minimal),
        ("test_m40_2_json_exactly: none*", "test_m40_2_json_exactly: full*"),
    ),
    "metadata is never minimal": Switch(
        put("odata.protocol.negotiate.json_format", _never_minimal), ("test_m40_2_json_exactly: minimal*",)
    ),
    "entities have no control information": Switch(
        put("odata.sql.objects._control", lambda *_: []),
        ("test_m40_2_json_exactly: minimal*", "test_m40_2_json_exactly: full*", "test_every_odd_key_*"),
    ),
    "numbers are always numbers": Switch(
        put("odata.protocol.negotiate.json_format", _without_ieee754), ("test_m40_2_ieee754_*",)
    ),
    "PostgreSQL writes what is infinite": Switch(
        without(JSON_FORMS, "Edm.Double", "Edm.Single"), ("test_json_infinity_*", "test_m40_2_json_exactly*")
    ),
    "Accept is not read": Switch(
        put("odata.protocol.negotiate._json", _any_json),
        (FORMAT + ", {'accept': 'application/*}, 406", FORMAT + "?$format=xml*", FORMAT + "?$format=atom*",
         FORMAT + "?$format=application/json;odata.metadata=some*"),
    ),
    "a media range holds no type": Switch(
        put("odata.protocol.media_types.MediaType.matches", lambda one, name: one.name == name),
        (FORMAT + ", {'accept': 'text/html*",),
    ),
    "$format is not read": Switch(
        both(put("odata.pipeline.option", lambda *_: None), entry(options._READERS, "$format", _any_format)),
        (FORMAT + "?$format=json, *", FORMAT + "?$format=xml*", FORMAT + "?$format=atom*",
         FORMAT + "?$format=json;*", FORMAT + "?$format=application/*", FORMAT + "/$count?*"),
    ),
    "$format may stand twice": Switch(
        put("odata.url.options._Found.add",
            lambda found, canonical, value: found.fields.__setitem__(canonical[1:], value)),
        (FORMAT + "?$format=json&*",),
    ),
    "a count is JSON": Switch(put("odata.pipeline.KINDS", {}), (FORMAT + "/$count, *",)),
    "a raw value heeds Accept": Switch(
        put("odata.protocol.negotiate._text", _plainly), (FORMAT + "(1)/Name/$value*",)
    ),
    "binary values are text": Switch(
        put("odata.pipeline.BINARY", None), ("test_i40_6_binary_value",)
    ),
}  # fmt: skip

HEADERS: dict[str, Switch] = {
    "entities have no ETag header": Switch(entry(envelope.WRITERS, "entity", _without_etag), ("test_m40_26_etags",)),
    "no header is on every answer": Switch(put("odata.protocol.wsgi.ALWAYS", ()), ("test_head_options_*",)),
    "nothing is compressed": Switch(
        put("odata.protocol.wsgi.encoded", lambda body, accepted: (None, [b"".join(body)])), ("test_gzip_*",)
    ),
    "no origin is allowed": Switch(put("odata.protocol.wsgi._allowed_origin", lambda *_: []), ("test_cors_*",)),
    "no answer has a version": Switch(
        both(
            put("odata.protocol.wsgi._sent", _without_version),
            put("gunicorn_worker.answer", lambda *given: BY_GUNICORN(*given).replace(b"OData-Version", b"X")),
            put("plain_routes._error", lambda error: Response(error_body(error, ""), status=error.status)),
        ),
        ("test_every_answer_has_a_version: *",),
    ),
    "an answer is never the same twice": Switch(
        put("odata.protocol.wsgi.encoded", lambda body, accepted: (None, [*body, b" " * next(NUMBERS)])),
        ("test_answers_are_repeatable",),
    ),
}  # fmt: skip

ERRORS: dict[str, Switch] = {
    "errors have no code and no message": Switch(
        put("odata.protocol.wsgi.error_body", lambda *_: b'{"error": {"code": "", "message": ""}}'),
        ("test_error_objects: *", "test_collection: * is named", "test_collection: page sizes: *no number",
         "test_collection: m40.root an entity*", "test_collection: m40.root a whole set"),
    ),
    "errors are of 4.0": Switch(
        put("odata.protocol.wsgi.error_format", lambda _: json_format("4.0")), ("test_error_objects: 4.01, *",)
    ),
    "errors are of 4.01": Switch(
        put("odata.protocol.wsgi.error_format", lambda _: json_format("4.01")), ("test_error_objects: 4.0, *",)
    ),
}  # fmt: skip

CALLERS: dict[str, Switch] = {
    "profiles share what is prepared": Switch(_variant_without("profile"), ("test_two_profiles_alternate",)),
    "callers of all sets share what is prepared": Switch(
        _variant_without("sets"), ("test_callers_of_different_sets_*",)
    ),
    "everybody sees every set": Switch(
        put("odata.service.visible", lambda exposure, sets: exposure), ("test_sets_that_a_credential_*",)
    ),
}  # fmt: skip

BODIES: dict[str, Switch] = {
    "the body of $query is not read": Switch(
        put("odata.protocol.wsgi._with_body", lambda asked, environ, http: asked),
        ("test_path: a40.12 options in the body*", "test_query_*", "test_the_query_segment_*: $query",
         "test_long_options_move*", "test_wide_query_*", "test_plus_*"),
    ),
    "$query is read as it is sent": Switch(
        put("odata.protocol.wsgi._last_segment", lambda path: path.rpartition("/")[2]),
        ("test_the_query_segment_*: %24*",),
    ),
    "a form is text": Switch(
        put("odata.protocol.wsgi.query_body", lambda _: "text/plain"),
        ("test_plus_*: application*", "test_plus_*: Application*", "test_path: a40.12 options in the body, as *"),
    ),
    "text is a form": Switch(
        put("odata.protocol.wsgi.query_body", lambda _: "application/x-www-form-urlencoded"), ("test_plus_*: text*",)
    ),
    "a plus is a blank": Switch(
        put("odata.pipeline.split", lambda path, query, **_: SPLIT(path, query, plus_is_space=True)),
        ("test_a_content_type_changes_nothing_*",),
    ),
    "writes are answered without Allow": Switch(
        put("odata.pipeline._refuse_write", _without_allow), ("test_405_*",)
    ),
}  # fmt: skip

STATEMENTS: dict[str, Switch] = {
    "each request is read twice": Switch(
        put("odata.protocol.wsgi.answer", _twice),
        ("test_a_request_is_one_round_trip_*", "test_one_select_whatever_is_expanded"),
    ),
}

SWITCHES = {**DOCUMENTS, **FORMATS, **HEADERS, **ERRORS, **CALLERS, **BODIES, **STATEMENTS}
