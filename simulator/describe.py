"""The objects and fields that an org has: for describe, for SOQL's names, and for what a write may set.

Properties (createable, updateable, length, scale) follow Salesforce's object reference. Custom fields and the event can
be switched off, as in an org whose admin has not deployed them: a `switch` is the name of a setting (world.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. switch: setting that must be on for it to exist; multi_currency: only in such orgs."""

    name: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    calculated: bool = False
    auto_number: bool = False
    reference_to: str = ""
    relationship: str = ""
    external_id: bool = False
    default: Any = None
    picklist: tuple[str, ...] = ()
    restricted: bool = False
    switch: str = ""
    multi_currency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRelationship:
    """How SOQL's sub-select names the records of `child` whose `field` points here."""

    name: str
    child: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SObject:
    """One object. fields: by lower-case name; prefix: first three characters of its ids."""

    name: str
    prefix: str
    fields: Mapping[str, Field]
    children: tuple[ChildRelationship, ...] = ()
    name_field: str = "Name"
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    queryable: bool = True
    switch: str = ""

    @property
    def is_event(self) -> bool:
        """Whether it is a platform event, which is published and never queried."""
        return self.name.endswith("__e")


Catalog = Mapping[str, SObject]
"""All objects of an org by lower-case name."""

_READ_ONLY: Final[dict[str, Any]] = {"createable": False, "updateable": False}


def _text(name: str, length: int, **more: Any) -> Field:
    return Field(name=name, type="string", length=length, **more)


def _money(name: str, **more: Any) -> Field:
    return Field(name=name, type="currency", precision=18, scale=2, **more)


def _percent(name: str, **more: Any) -> Field:
    return Field(name=name, type="percent", precision=5, scale=2, **more)


def _number(name: str, **more: Any) -> Field:
    return Field(name=name, type="double", precision=12, scale=2, **more)


def _whole(name: str, **more: Any) -> Field:
    return Field(name=name, type="int", precision=9, **more)


def _date(name: str, **more: Any) -> Field:
    return Field(name=name, type="date", **more)


def _time(name: str, **more: Any) -> Field:
    return Field(name=name, type="datetime", **more)


def _flag(name: str, **more: Any) -> Field:
    return Field(name=name, type="boolean", **{"default": False, **more})


def _to(name: str, target: str, **more: Any) -> Field:
    relationship = more.pop("relationship", name.removesuffix("Id"))
    return Field(name=name, type="reference", length=18, reference_to=target, relationship=relationship, **more)


def _pick(name: str, values: str, **more: Any) -> Field:
    return Field(name=name, type="picklist", length=more.pop("length", 255), picklist=tuple(values.split("|")), **more)


_SYSTEM: Final = (
    Field(name="Id", type="id", length=18, **_READ_ONLY),
    _flag("IsDeleted", **_READ_ONLY),
    _time("CreatedDate", **_READ_ONLY),
    _to("CreatedById", "User", **_READ_ONLY),
    _time("LastModifiedDate", **_READ_ONLY),
    _to("LastModifiedById", "User", **_READ_ONLY),
    _time("SystemModstamp", **_READ_ONLY),
)
_CURRENCY: Final = _pick("CurrencyIsoCode", "USD|CAD|EUR|GBP|JPY|AUD|BRL", restricted=True, multi_currency=True)
_OWNER: Final = _to("OwnerId", "User")
_KEY: Final = _text("Gateway_Key__c", 64, external_id=True, switch="gateway_key")
_FIXED: Final[dict[str, Any]] = {"updateable": False}
_COMPUTED: Final[dict[str, Any]] = {**_READ_ONLY, "calculated": True}
_RECORDS_OF_SETUP: Final[dict[str, Any]] = {"createable": False, "updateable": False, "deletable": False}
STAGES: Final = "Prospecting|Qualification|Proposal/Price Quote|Negotiation/Review|Closed Won|Closed Lost"
STATUSES: Final = "Draft|Needs Review|In Review|Approved|Rejected|Presented|Accepted|Denied"


def _object(name: str, prefix: str, *fields: Field, **more: Any) -> SObject:
    children = tuple(ChildRelationship(name=n, child=c, field=f) for n, c, f in more.pop("children", ()))
    if not name.endswith("__e"):
        fields = (*_SYSTEM, *fields)
    return SObject(name=name, prefix=prefix, fields={f.name.lower(): f for f in fields}, children=children, **more)


_LINE: Final = (
    _to("PricebookEntryId", "PricebookEntry", required=True, **_FIXED),
    _to("Product2Id", "Product2", **_COMPUTED),
    _number("Quantity", required=True),
    _money("UnitPrice", required=True),
    _percent("Discount"),
    _money("ListPrice", **_COMPUTED),
    _money("Subtotal", **_COMPUTED),
    _money("TotalPrice", **_COMPUTED),
    Field(name="Description", type="string", length=255),
    _date("ServiceDate"),
    _whole("SortOrder"),
    replace(_CURRENCY, **_READ_ONLY),
)

OBJECTS: Final = (
    _object("Organization", "00D", _text("Name", 80), _text("OrganizationType", 40), _flag("IsSandbox"),
            _text("InstanceName", 5), _text("TimeZoneSidKey", 40), **_RECORDS_OF_SETUP),
    _object("User", "005", _text("Name", 121), _text("FirstName", 40), _text("LastName", 80), _text("Username", 80),
            _text("Email", 128), _flag("IsActive"), _text("TimeZoneSidKey", 40), _text("LocaleSidKey", 40),
            _CURRENCY, replace(_CURRENCY, name="DefaultCurrencyIsoCode"), **_RECORDS_OF_SETUP),
    _object("CurrencyType", "01L", _text("IsoCode", 3), _number("ConversionRate"), _whole("DecimalPlaces"),
            _flag("IsActive"), _flag("IsCorporate"), switch="multi_currency", name_field="IsoCode",
            **_RECORDS_OF_SETUP),
    _object("Account", "001", _text("Name", 255, required=True), _text("BillingStreet", 255), _text("BillingCity", 40),
            _text("BillingPostalCode", 20), _text("BillingCountry", 80),
            Field(name="BillingAddress", type="address", **_COMPUTED), _text("Industry", 255),
            _text("Region__c", 40, switch="region_field"), _OWNER, _CURRENCY,
            children=(("Opportunities", "Opportunity", "AccountId"), ("Quotes", "Quote", "AccountId"))),
    _object("Product2", "01t", _text("Name", 255, required=True), _text("ProductCode", 255), _flag("IsActive"),
            Field(name="Description", type="textarea", length=4000), _text("Family", 255), _CURRENCY),
    _object("Pricebook2", "01s", _text("Name", 255, required=True), _flag("IsActive"),
            _flag("IsStandard", **_READ_ONLY), _text("Description", 255),
            children=(("PricebookEntries", "PricebookEntry", "Pricebook2Id"),)),
    _object("PricebookEntry", "01u", _text("Name", 255, **_COMPUTED), _text("ProductCode", 255, **_COMPUTED),
            _to("Pricebook2Id", "Pricebook2", required=True, **_FIXED),
            _to("Product2Id", "Product2", required=True, **_FIXED), _money("UnitPrice", required=True),
            _flag("IsActive"), _flag("UseStandardPrice"), replace(_CURRENCY, **_FIXED)),
    _object("Opportunity", "006", _text("Name", 120, required=True), _to("AccountId", "Account"),
            _pick("StageName", STAGES, required=True), _date("CloseDate", required=True), _money("Amount"),
            _percent("Probability"), _text("Type", 255), Field(name="Description", type="textarea", length=32000),
            _flag("IsClosed", **_COMPUTED), _flag("IsWon", **_COMPUTED), _to("Pricebook2Id", "Pricebook2"),
            _flag("HasOpportunityLineItem", **_COMPUTED), _to("SyncedQuoteId", "Quote"),
            _text("Region__c", 40, switch="region_field"), _percent("DiscountOverride__c", switch="discount_override"),
            _OWNER, _CURRENCY,
            children=(("OpportunityLineItems", "OpportunityLineItem", "OpportunityId"),
                      ("Quotes", "Quote", "OpportunityId"))),
    _object("OpportunityLineItem", "00k", _to("OpportunityId", "Opportunity", required=True, **_FIXED),
            _text("Name", 376, **_COMPUTED), _text("ProductCode", 255, **_COMPUTED), *_LINE),
    _object("Quote", "0Q0", _text("QuoteNumber", 30, auto_number=True, **_READ_ONLY), _text("Name", 255, required=True),
            _to("OpportunityId", "Opportunity", required=True, **_FIXED), _to("AccountId", "Account", **_COMPUTED),
            _to("Pricebook2Id", "Pricebook2"), _pick("Status", STATUSES, default="Draft", length=40),
            _date("ExpirationDate"), Field(name="Description", type="textarea", length=32000), _text("Email", 80),
            _flag("IsSyncing", **_READ_ONLY), _whole("LineItemCount", **_COMPUTED), _money("Subtotal", **_COMPUTED),
            _percent("Discount", **_COMPUTED), _money("TotalPrice", **_COMPUTED), _money("Tax"),
            _money("ShippingHandling"), _money("GrandTotal", **_COMPUTED), _KEY, _OWNER, _CURRENCY,
            children=(("QuoteLineItems", "QuoteLineItem", "QuoteId"),), switch="quotes"),
    _object("QuoteLineItem", "0QL", _to("QuoteId", "Quote", required=True, **_FIXED),
            _text("LineNumber", 30, auto_number=True, **_READ_ONLY),
            _to("OpportunityLineItemId", "OpportunityLineItem"), *_LINE, _KEY, name_field="LineNumber",
            switch="quotes"),
    _object("BackgroundOperation", "08P", _text("Name", 255), _text("Status", 255), _text("Error", 255),
            _text("Type", 255), _time("StartedAt"), _time("FinishedAt"), _time("ExpiresAt"), _time("SubmittedAt"),
            _whole("RetryCount"), _whole("RetryLimit"), **_RECORDS_OF_SETUP),
    _object("PermissionSet", "0PS", _text("Name", 80), _text("Label", 80), _flag("HasActivationRequired"),
            **_RECORDS_OF_SETUP),
    _object("SessionPermSetActivation", "0Pa", _to("PermissionSetId", "PermissionSet", required=True, **_FIXED),
            _text("AuthSessionId", 18, **_FIXED), _text("Description", 255, **_FIXED),
            _to("UserId", "User", **_READ_ONLY), name_field="Id", updateable=False),
    _object("Quote_Job__e", "e00", _text("JobId__c", 36), _text("Status__c", 40), _number("QuoteCount__c"),
            _number("ErrorCount__c"), _text("RequestedBy__c", 18), name_field="", queryable=False, updateable=False,
            deletable=False, switch="events"),
)  # fmt: skip
"""Every object that an org can have."""


@lru_cache(maxsize=64)
def catalog(switches: frozenset[str]) -> Catalog:
    """The objects of an org in which these switches are on; "multi_currency" is one of them."""
    found = {}
    for sobject in OBJECTS:
        if sobject.switch and sobject.switch not in switches:
            continue
        fields = {
            name: field
            for name, field in sobject.fields.items()
            if (not field.switch or field.switch in switches)
            and (not field.multi_currency or "multi_currency" in switches)
        }
        found[sobject.name.lower()] = replace(sobject, fields=fields)
    return found


def describe(sobject: SObject, *, base: str, createable: bool, deletable: bool) -> dict[str, Any]:
    """The answer of sobjects/{name}/describe for a user who may, or may not, make and delete such records."""
    return {
        **summary(sobject, base=base, createable=createable, deletable=deletable),
        "fields": [_field(field) for field in sobject.fields.values()],
        "childRelationships": [
            {"relationshipName": child.name, "childSObject": child.child, "field": child.field, "cascadeDelete": False}
            for child in sobject.children
        ],
    }


def summary(sobject: SObject, *, base: str, createable: bool, deletable: bool) -> dict[str, Any]:
    """One object in the list of all."""
    return {
        "name": sobject.name,
        "label": sobject.name,
        "keyPrefix": sobject.prefix,
        "custom": sobject.name.endswith(("__c", "__e")),
        "queryable": sobject.queryable,
        "createable": sobject.createable and createable,
        "updateable": sobject.updateable and createable,
        "deletable": sobject.deletable and deletable,
        "urls": {"sobject": f"{base}/sobjects/{sobject.name}", "describe": f"{base}/sobjects/{sobject.name}/describe"},
    }


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": field.name,
        "type": field.type,
        "length": field.length,
        "precision": field.precision,
        "scale": field.scale,
        "nillable": not field.required and field.name != "Id",
        "createable": field.createable,
        "updateable": field.updateable,
        "calculated": field.calculated,
        "autoNumber": field.auto_number,
        "externalId": field.external_id,
        "unique": field.external_id,
        "idLookup": field.external_id or field.name == "Id",
        "custom": field.name.endswith("__c"),
        "defaultValue": field.default,
        "defaultedOnCreate": field.default is not None or field.type == "boolean",
        "referenceTo": [field.reference_to] if field.reference_to else [],
        "relationshipName": field.relationship or None,
        "restrictedPicklist": field.restricted,
        "picklistValues": [
            {"value": value, "label": value, "active": True, "defaultValue": value == field.default}
            for value in field.picklist
        ],
    }
