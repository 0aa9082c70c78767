"""HTML templates, in which all text is escaped and made safe to show: one way for the page and for notebooks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from wineexp.text import visible

if TYPE_CHECKING:
    import jinja2

__all__ = ["template"]


@functools.cache
def template(package: str, name: str) -> jinja2.Template:
    """The template of that name in a package's ``templates``; needs the extra ``report``."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _safe(value: Any) -> Any:
    """What the template shows, its text made safe; HTML of our own is no plain ``str``."""
    return visible(value) if type(value) is str else value
