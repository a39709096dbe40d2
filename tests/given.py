"""Files of the standard that the tests read but the project does not hold: where they are, what their absence means.

The OASIS test cases and schemas stand beside the checkout (../shared/conformance) or where CONFORMANCE_DIR says.
Without them their tests are skipped and say so; in CI (variable CI set) their absence fails.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

CONFORMANCE: Final = Path(
    os.environ.get("CONFORMANCE_DIR") or Path(__file__).resolve().parents[2] / "shared" / "conformance"
)
MISSING: Final = f"no {CONFORMANCE}; name the folder with the OASIS test cases and schemas in CONFORMANCE_DIR"


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def require_conformance() -> None:
    """Skip the calling test without the files, saying so; in CI fail it."""
    if CONFORMANCE.is_dir():
        return
    if in_ci():
        pytest.fail(MISSING)
    pytest.skip(MISSING)
