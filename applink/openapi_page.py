"""The contract as a page for a person: each operation with what it takes, answers and looks like in Apex and curl.

In: the document of openapi.py. Out: HTML without script, which loads nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from applink.openapi_lint import CLIENT

Document = Mapping[str, Any]


def page(document: Document) -> str:
    """The whole contract on one page."""
    operations = [(path, methods["post"]) for path, methods in document["paths"].items()]
    return _PAGE.format(
        title=escape(document["info"]["title"]),
        description=escape(document["info"]["description"]),
        contents="\n".join(f'<li><a href="#{escape(one["operationId"])}">{escape(one["operationId"])}</a>: '
                           f"{escape(one['summary'])}</li>" for _, one in operations),
        operations="\n".join(_operation(path, one, document) for path, one in operations),
        statuses="\n".join(f"<tr><td>{status}</td><td>{escape(said['description'])}</td></tr>"
                           for status, said in operations[0][1]["responses"].items() if not status.startswith("2")),
        problem=_members(document["components"]["schemas"]["Problem"], document),
    )  # fmt: skip


def _operation(path: str, operation: Document, document: Document) -> str:
    name = operation["operationId"]
    asked = _schema(operation["requestBody"], document)
    status, answer = next((status, one) for status, one in operation["responses"].items() if status.startswith("2"))
    parts = [
        f'<h2 id="{escape(name)}">{escape(name)}</h2>',
        f"<p>{escape(operation['description'])}</p>",
        f"<h3>POST {escape(path)}</h3>{_members(asked, document)}",
        f"<h3>{status}: {escape(answer['description'])}</h3>{_members(_schema(answer, document), document)}",
        f"<pre>{escape(_apex(name, asked, status, called_back='callbacks' in operation))}</pre>",
        f"<pre>{escape(json.dumps(dict(_example(asked)), indent=2))}</pre>",
    ]
    for callback, urls in operation.get("callbacks", {}).items():
        body = next(iter(urls.values()))["post"]["requestBody"]
        parts.append(f"<h3>Callback {escape(callback)}</h3>{_members(_schema(body, document), document)}")
    return "\n".join(parts)


def _schema(content: Document, document: Document) -> Document:
    return _resolved(content["content"]["application/json"]["schema"], document)


def _resolved(schema: Document, document: Document) -> Document:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Document = document["components"]["schemas"][name] if name else schema
    return found


def _members(schema: Document, document: Document) -> str:
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type(one, document))}</td>"
        f"<td>{'' if name in schema.get('required', ()) else 'optional'}</td>"
        f"<td>{escape(one.get('description', ''))}</td></tr>"
        for name, one in schema["properties"].items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _type(schema: Document, document: Document) -> str:
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], document)}"
    if "$ref" in schema:
        return "{" + ", ".join(_resolved(schema, document)["properties"]) + "}"
    return " or ".join(schema["enum"]) if "enum" in schema else str(schema.get("format") or schema["type"])


def _example(schema: Document) -> Iterator[tuple[str, Any]]:
    for name, one in schema["properties"].items():
        if name in schema.get("required", ()):
            yield name, one.get("example")


def _apex(name: str, asked: Document, status: str, *, called_back: bool) -> str:
    """The same as Apex written against the published client."""
    service = f"HerokuAppLink.{CLIENT}"
    body = f"{name[0].upper()}{name[1:]}Request"
    handler = ", new MyCallback(), DateTime.now().addMinutes(10)" if called_back else ""
    lines = [
        f"{service} service = new {service}();",
        f"{service}.{name}_Request request = new {service}.{name}_Request();",
        f"request.body = new {service}_{body}();",
        *(f"request.body.{member} = {_literal(value)};" for member, value in _example(asked)),
        f"{service}.{name}_Response response = service.{name}(request{handler});  // response.Code{status}",
    ]
    return "\n".join(lines)


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "new List<String>{ " + ", ".join(map(_literal, value)) + " }"
    return f"'{value}'" if isinstance(value, str) else str(value)


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td {{ border-top: 1px solid #ddd; padding: .3rem; vertical-align: top }}
pre {{ background: #f4f4f4; padding: 1rem; overflow-x: auto }}
</style>
<h1>{title}</h1>
<p>{description} As a file to publish: <a href="/openapi/applink.yaml">applink.yaml</a>, or
<code>gateway openapi applink</code>; for Agentforce <code>gateway openapi applink --for agent</code>.</p>
<ul>{contents}</ul>
{operations}
<h2 id="errors">Errors</h2>
<p>Every refusal is a Problem; Apex reads <code>e.Code409.message</code>.</p>
{problem}
<table>{statuses}</table>
"""
