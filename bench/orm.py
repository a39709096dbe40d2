"""The ORM stack: what a Python developer writes today. Flask, SQLAlchemy's ORM, odata-query; gunicorn's sync worker.

Knows $filter, $orderby, $top, $skip, $select, $count and $expand=lines; names are those of the columns.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, Response, jsonify, request
from odata_query.sqlalchemy.shorthand import apply_odata_query
from sqlalchemy import Select, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Session, foreign, relationship, selectinload

from bench.database import ORG
from models import quote as quotes
from models import quote_line as lines
from models.database import sqlalchemy_url


class Base(DeclarativeBase):
    pass


class Line(Base):
    __table__ = lines.quote_line


class Quote(Base):
    __table__ = quotes.quote
    lines = relationship(
        Line,
        primaryjoin=(quotes.quote.c.id == foreign(lines.quote_line.c.quote_id))
        & (quotes.quote.c.org_id == foreign(lines.quote_line.c.org_id)),
        viewonly=True,
        order_by=lines.quote_line.c.line_number,
    )


SHOWN = [column.name for column in quotes.quote.columns if column.doc]
SHOWN_LINE = [column.name for column in lines.quote_line.columns if column.doc]


def create_app() -> Flask:
    app = Flask("orm")
    engine = create_engine(sqlalchemy_url(os.environ["DATABASE_URL"]), pool_size=10)

    @app.get("/healthcheck")
    def healthcheck() -> str:
        return "ok"

    @app.get("/quotes/<key>")
    def entity(key: str) -> Response:
        with Session(engine) as session:
            return jsonify(_shown(session.get_one(Quote, {"org_id": ORG, "id": key}), SHOWN))

    @app.get("/quotes")
    def collection() -> Response:
        options = request.args
        with Session(engine) as session:
            query = select(Quote).where(quotes.quote.c.org_id == ORG, quotes.quote.c.deleted_at.is_(None))
            if "$filter" in options:
                query = _filtered(query, options["$filter"])
            answer: dict[str, Any] = {}
            if options.get("$count") == "true":
                answer["@odata.count"] = session.scalar(select(func.count()).select_from(query.subquery()))
            for item in options.get("$orderby", "created_at desc,id desc").split(","):
                name, _, direction = item.partition(" ")
                column = getattr(Quote, name)
                query = query.order_by(column.desc() if direction == "desc" else column)
            if "$expand" in options:
                query = query.options(selectinload(Quote.lines))
            query = query.limit(int(options.get("$top", 2000))).offset(int(options.get("$skip", 0)))
            names = options["$select"].split(",") if "$select" in options else SHOWN
            answer["value"] = [_shown(row, names, "$expand" in options) for row in session.scalars(query)]
            return jsonify(answer)

    return app


def _filtered(query: Select[Quote], text: str) -> Select[Quote]:
    found = apply_odata_query(query, text)
    assert isinstance(found, Select)
    return found


def _shown(row: Any, names: list[str], expand: bool = False) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in names}
    if expand:
        shown["lines"] = [_shown(line, SHOWN_LINE) for line in row.lines]
    return shown
