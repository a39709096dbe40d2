"""XML read by tests: elements and attributes that have to be there."""

from __future__ import annotations

from lxml import etree


def first(tree: etree._Element, path: str) -> etree._Element:
    """The first element of a path such as ".//{namespace}EntityType"."""
    found = tree.find(path)
    assert found is not None, f"no {path}"
    return found


def parent(element: etree._Element) -> etree._Element:
    """What an element that is not the root stands in."""
    found = element.getparent()
    assert found is not None, f"{element.tag} is the root"
    return found


def attribute(element: etree._Element, name: str) -> str:
    """One attribute."""
    found = element.get(name)
    assert found is not None, f"{element.tag} has no {name}"
    return found


def attributes(element: etree._Element) -> dict[str, str]:
    """All attributes by name."""
    return {str(name): str(text) for name, text in element.attrib.items()}
