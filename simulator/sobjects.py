"""Create, update, upsert and delete one record, with what the org checks and how it refuses.

Stricter than what documents promise, until a real org shows otherwise: an upsert that finds its record is refused when
it sets a field that only a new record may have (`QuoteId`, `PricebookEntryId`, `OpportunityId`); the setting
strict_upsert switches that off. Whoever may not create a quote gets 403 INSUFFICIENT_ACCESS_OR_READONLY.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from odata.edm.record_ids import widen_record_id
from simulator.describe import Field, SObject
from simulator.errors import SalesforceError, field_integrity, no_such_column, not_found
from simulator.query import Binder, Pages
from simulator.session import Session
from simulator.store import Row

Fields = Mapping[str, Any]
Check = Callable[[Session, Row], None]
_NO_PAGES: Final = Pages()


def sobject_named(session: Session, name: str) -> SObject:
    """The object that a URL names. Raises: SalesforceError NOT_FOUND."""
    sobject = session.object(name)
    if sobject is None:
        raise not_found()
    return sobject


def read(session: Session, sobject: SObject, row: Row, names: list[str], *, base: str) -> dict[str, Any]:
    """One record with these fields, or all."""
    wanted = names or [field.name for field in sobject.fields.values()]
    return Binder(session, base=base, pages=_NO_PAGES).render(sobject, [(name,) for name in wanted])(row)


def find(session: Session, sobject: SObject, record_id: str) -> Row:
    """The record of an id. Raises: SalesforceError NOT_FOUND, or ENTITY_IS_DELETED for one that was."""
    wide = widen_record_id(record_id)
    row = session.store.get(sobject.name, wide)
    if row is None and wide in session.store.deleted:
        raise SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted", [])
    if row is None or not session.sees(sobject.name, row):
        raise not_found()
    return row


def find_by_key(session: Session, sobject: SObject, field_name: str, key: str) -> Row | None:
    """The record with an external id, or None. Raises: SalesforceError NOT_FOUND when the field is no external id."""
    field = sobject.fields.get(field_name.lower())
    if field is None or not field.external_id:
        message = f"Provided external ID field does not exist or is not accessible: {field_name}"
        raise SalesforceError(404, "NOT_FOUND", message)
    rows = session.store.find(sobject.name, field.name, key)
    return rows[0] if rows else None


def create(session: Session, sobject: SObject, fields: Fields) -> str:
    """Make a record within a transaction; its id."""
    if not sobject.createable or not session.may_write(sobject.name):
        raise _no_access()
    values = _read_fields(sobject, fields, new=True)
    missing = [f.name for f in sobject.fields.values() if f.required and values.get(f.name) is None]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise SalesforceError(400, "REQUIRED_FIELD_MISSING", message, missing)
    row: Row = {f.name: f.default for f in sobject.fields.values() if f.default is not None and not f.calculated}
    row |= values | _system_fields(session, sobject)
    if "ownerid" in sobject.fields:
        row.setdefault("OwnerId", session.user_id)
    _check_references(session, sobject, values)
    _check_unique(session, sobject, row)
    for check in _CHECKS.get(sobject.name, ()):
        check(session, row)
    _number_it(session, sobject, row)
    session.store.put(sobject.name, row)
    if sobject.name == "QuoteLineItem":
        _touch_quote(session, row["QuoteId"])
    return str(row["Id"])


def update(session: Session, sobject: SObject, row: Row, fields: Fields) -> None:
    """Change a record within a transaction."""
    if not sobject.updateable or not session.may_write(sobject.name):
        raise _no_access()
    values = _read_fields(sobject, fields, new=False)
    emptied = [f.name for f in sobject.fields.values() if f.required and f.name in values and values[f.name] is None]
    if emptied:
        message = f"Required fields are missing: [{', '.join(emptied)}]"
        raise SalesforceError(400, "REQUIRED_FIELD_MISSING", message, emptied)
    _check_references(session, sobject, values)
    changed = row | values
    _check_unique(session, sobject, changed)
    for check in _CHECKS.get(sobject.name, ()):
        check(session, changed)
    changed |= {"LastModifiedDate": session.now, "LastModifiedById": session.user_id, "SystemModstamp": session.now}
    session.store.put(sobject.name, changed)
    if sobject.name == "QuoteLineItem":
        _touch_quote(session, changed["QuoteId"])


def upsert(session: Session, sobject: SObject, field_name: str, key: str, fields: Fields) -> tuple[str, bool]:
    """Make the record with this external id, or change the one there is; its id, and whether it was made."""
    row = find_by_key(session, sobject, field_name, key)
    name = sobject.fields[field_name.lower()].name
    if any(given.lower() == name.lower() for given in fields):
        message = f"The {name} field should not be specified in the sobject data."
        raise SalesforceError(400, "INVALID_FIELD", message)
    if row is None:
        return create(session, sobject, {**fields, name: key}), True
    if not session.sees(sobject.name, row):
        raise _no_access()
    if not session.strict_upsert:
        fields = {n: v for n, v in fields.items() if (f := sobject.fields.get(n.lower())) is None or f.updateable}
    update(session, sobject, row, fields)
    return str(row["Id"]), False


def delete(session: Session, sobject: SObject, row: Row) -> None:
    """Delete a record, and those that cannot be without it, within a transaction."""
    if not sobject.deletable or not session.may_write(sobject.name):
        raise _no_access()
    for child, field in _CASCADES.get(sobject.name, ()):
        below = session.object(child)
        for line in session.store.find(child, field, row["Id"]) if below is not None else ():
            delete(session, sobject_named(session, child), line)
    session.store.remove(sobject.name, row["Id"])
    if sobject.name == "QuoteLineItem":
        _touch_quote(session, row["QuoteId"])


def _no_access() -> SalesforceError:
    return SalesforceError(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", [])


def _touch_quote(session: Session, quote_id: str) -> None:
    """A change of a line changes the sums of its quote, and so the quote."""
    quote = session.store.get("Quote", quote_id)
    if quote is not None:
        session.store.put("Quote", quote | {"LastModifiedDate": session.now, "SystemModstamp": session.now})


def _system_fields(session: Session, sobject: SObject) -> Row:
    return {
        "Id": session.store.new_id(sobject.prefix),
        "CreatedDate": session.now,
        "CreatedById": session.user_id,
        "LastModifiedDate": session.now,
        "LastModifiedById": session.user_id,
        "SystemModstamp": session.now,
    }


def _number_it(session: Session, sobject: SObject, row: Row) -> None:
    for field in sobject.fields.values():
        if field.auto_number:
            row[field.name] = f"{session.store.number(f'{sobject.name}.{field.name}'):08d}"


def _read_fields(sobject: SObject, fields: Fields, *, new: bool) -> Row:
    """The values of a body, checked and as the records hold them."""
    values: Row = {}
    refused: list[str] = []
    for name, value in fields.items():
        if name == "attributes":
            continue
        field = sobject.fields.get(name.lower())
        if field is None:
            raise no_such_column(name, sobject.name)
        if not (field.createable if new else field.updateable):
            refused.append(field.name)
        else:
            values[field.name] = None if value is None or value == "" else read_value(field, value)
    if refused:
        message = (
            f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this field "
            "and verify that it is read/write for your profile or permission set."
        )
        raise SalesforceError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, refused)
    return values


def read_value(field: Field, value: Any) -> Any:
    """One value of a body for a field. Raises: SalesforceError with the code of what is wrong with it."""
    match field.type:
        case "string" | "picklist" | "textarea":
            return _read_text(field, value)
        case "currency" | "double" | "percent" | "int":
            return _read_number(field, value)
        case "boolean":
            if not isinstance(value, bool):
                raise _wrong_type("boolean", value)
            return value
        case "reference" | "id":
            if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?", value):
                raise SalesforceError(
                    400, "MALFORMED_ID", f"{field.name}: id value of incorrect type: {value}", [field.name]
                )
            return widen_record_id(value)
        case "date":
            return _read_date(value)
        case "datetime":
            return _read_time(value)
        case _:
            raise _wrong_type(field.type, value)


def _read_text(field: Field, value: Any) -> str:
    if isinstance(value, dict | list):
        raise _wrong_type("string", value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) > field.length:
        message = f"{field.name}: data value too large: {text[:40]} (max length={field.length})"
        raise SalesforceError(400, "STRING_TOO_LONG", message, [field.name])
    if field.restricted and text not in field.picklist:
        message = f"{field.name}: bad value for restricted picklist field: {text}"
        raise SalesforceError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [field.name])
    return text


def _read_number(field: Field, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong_type("double", value)
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise _wrong_type("double", value) from None
    whole_digits = field.precision - field.scale
    if not number.is_finite() or abs(number) >= Decimal(10) ** whole_digits:
        message = f"{field.name}: value outside of valid range on numeric field: {value}"
        raise SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", message, [field.name])
    if field.type == "int":
        return int(number)
    return float(number.quantize(Decimal(1).scaleb(-field.scale), rounding=ROUND_HALF_UP))


def _read_date(value: Any) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise _wrong_type("date", value) from None


def _read_time(value: Any) -> str:
    try:
        return f"{datetime.fromisoformat(str(value)):%Y-%m-%dT%H:%M:%S.000+0000}"
    except ValueError:
        raise _wrong_type("datetime", value) from None


def _wrong_type(wanted: str, value: Any) -> SalesforceError:
    kind = {str: "VALUE_STRING", bool: "VALUE_TRUE", dict: "START_OBJECT", list: "START_ARRAY"}.get(
        type(value), "VALUE_NUMBER"
    )
    message = (
        f"Cannot deserialize instance of {wanted} from {kind} value {value} or request may be missing a required field"
    )
    return SalesforceError(400, "JSON_PARSER_ERROR", message)


def _check_references(session: Session, sobject: SObject, values: Row) -> None:
    for field in sobject.fields.values():
        if field.type != "reference" or (target := values.get(field.name)) is None:
            continue
        aim = session.object(field.reference_to)
        if aim is None or target[:3] != aim.prefix:
            raise SalesforceError(
                400, "MALFORMED_ID", f"{field.name}: id value of incorrect type: {target}", [field.name]
            )
        found = session.store.get(aim.name, target)
        if found is None and target in session.store.deleted:
            raise SalesforceError(400, "ENTITY_IS_DELETED", "entity is deleted", [])
        if found is None:
            raise SalesforceError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
        if not session.sees(aim.name, found):
            message = f"insufficient access rights on cross-reference id: {target}"
            raise SalesforceError(400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message, [])


def _check_unique(session: Session, sobject: SObject, row: Row) -> None:
    for field in sobject.fields.values():
        if field.external_id and row.get(field.name) is not None:
            for other in session.store.find(sobject.name, field.name, row[field.name]):
                if other["Id"] != row["Id"]:
                    message = f"duplicate value found: {field.name} duplicates value on record with id: {other['Id']}"
                    raise SalesforceError(400, "DUPLICATE_VALUE", message, [])


def _check_quote(session: Session, quote: Row) -> None:
    opportunity = session.store.get("Opportunity", quote["OpportunityId"])
    assert opportunity is not None
    _follow_currency(session, quote, opportunity, own=True)
    for line in session.store.find("QuoteLineItem", "QuoteId", quote["Id"]):
        entry = session.store.get("PricebookEntry", line["PricebookEntryId"])
        if entry is None or entry["Pricebook2Id"] != quote.get("Pricebook2Id"):
            raise field_integrity("Pricebook2Id", "the quote has line items of another pricebook")


def _check_line(parent: str, lookup: str, noun: str) -> Check:
    """Checks of a line against its quote or opportunity."""

    def check(session: Session, line: Row) -> None:
        above = session.store.get(parent, line[lookup])
        entry = session.store.get("PricebookEntry", line["PricebookEntryId"])
        assert above is not None and entry is not None
        if entry["Pricebook2Id"] != above.get("Pricebook2Id"):
            reason = f"pricebook entry is in a different pricebook than the one assigned to the {noun}"
            raise field_integrity("PricebookEntryId", reason)
        if session.multi_currency and entry.get("CurrencyIsoCode") != above.get("CurrencyIsoCode"):
            reason = f"pricebook entry currency code does not match {noun} currency code"
            raise field_integrity("PricebookEntryId", reason)
        is_new = session.store.get(_LINES[parent], line["Id"]) is None
        if is_new and not entry.get("IsActive"):
            raise field_integrity("PricebookEntryId", "pricebook entry has been inactivated")
        _follow_currency(session, line, above, own=False)
        _check_origin(session, line, above)

    return check


def _check_origin(session: Session, line: Row, quote: Row) -> None:
    origin = session.store.get("OpportunityLineItem", line.get("OpportunityLineItemId"))
    if origin is not None and origin["OpportunityId"] != quote.get("OpportunityId"):
        raise field_integrity("OpportunityLineItemId", "opportunity line item is not of the quote's opportunity")


def _follow_currency(session: Session, row: Row, above: Row, *, own: bool) -> None:
    if not session.multi_currency:
        return
    currency = above.get("CurrencyIsoCode")
    if own and row.get("CurrencyIsoCode") not in (None, currency):
        raise field_integrity("CurrencyIsoCode", "the currency must be that of the opportunity")
    row["CurrencyIsoCode"] = currency


def _check_activation(session: Session, activation: Row) -> None:
    activation["UserId"] = session.user_id


_LINES: Final = {"Quote": "QuoteLineItem", "Opportunity": "OpportunityLineItem"}
_CASCADES: Final = {
    "Quote": (("QuoteLineItem", "QuoteId"),),
    "Opportunity": (("OpportunityLineItem", "OpportunityId"), ("Quote", "OpportunityId")),
}
"""Object -> (object, field) of records that are deleted with it."""
_CHECKS: Final[dict[str, tuple[Any, ...]]] = {
    "Quote": (_check_quote,),
    "QuoteLineItem": (_check_line("Quote", "QuoteId", "quote"),),
    "OpportunityLineItem": (_check_line("Opportunity", "OpportunityId", "opportunity"),),
    "SessionPermSetActivation": (_check_activation,),
}
"""Object -> what must hold for a record before it is kept."""
