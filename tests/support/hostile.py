"""Names that try to be more than text."""

from __future__ import annotations

HOSTILE = [
    "<script>window.hacked = 1</script>", "</script><img src=x onerror=hacked=1>", "$$", "😀", "x" * 200,
    "{{ 7 * 7 }}", "<b>bold</b>", "&lt;", "'\"`${hacked=1}",
]  # fmt: skip
