"""URL Conventions: from text to `ODataUrl`, names as written. Knows neither the model nor SQL."""

from odata.url.request_target import parse, parse_parts
from odata.url.tokens import Rules

__all__ = ["Rules", "parse", "parse_parts"]
