"""What the processor at hand can do."""

from __future__ import annotations

import pytest

from wineexp import runtime
from wineexp.errors import RuntimeSetupError


def multiplies_bfloat16():
    """Whether ``precision: mixed_bfloat16`` is not refused here."""
    try:
        runtime.check_bfloat16()
    except RuntimeSetupError:
        return False
    return True


#: For tests that train with ``precision: mixed_bfloat16``.
multiplying_bfloat16 = pytest.mark.skipif(
    not multiplies_bfloat16(), reason="this processor does not multiply bfloat16"
)
