"""Completions of an argument in a shell: fields, columns, runs."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from wineexp.specs.run_spec import RunSpec

__all__ = ["RunName", "complete_columns", "complete_conditions", "complete_fields"]


def complete_fields(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``field=`` for each field of the spec."""
    return [CompletionItem(f"{name}=") for name in RunSpec.model_fields if name.startswith(incomplete)]


def complete_columns(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The columns of a table of runs."""
    from wineexp.runs.columns import COLUMNS

    return [CompletionItem(name) for name in COLUMNS if name.startswith(incomplete)]


def complete_conditions(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``column=`` for each column of a table of runs."""
    from wineexp.runs.columns import COLUMNS

    return [CompletionItem(f"{name}=") for name in COLUMNS if name.startswith(incomplete)]


class RunName(click.ParamType[str]):
    """A run by its path or name; a shell completes runs in ``--out`` and in the typed folder, and studies."""

    name = "run"

    def __init__(self, *, several: bool = False) -> None:
        self.several = several

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from wineexp.runs.directory import is_run
        from wineexp.runs.study_file import find_studies

        typed, out = Path(incomplete), Path(ctx.params.get("out") or "outputs")
        folders = [typed if incomplete.endswith("/") else typed.parent, out]
        found = {
            str(path)
            for folder in folders
            if folder.is_dir()
            for path in folder.iterdir()
            if incomplete in ("", str(path)[: len(incomplete)], path.name[: len(incomplete)]) and is_run(path)
        }
        if self.several:
            found |= {folder.name for folder, _ in find_studies(out) if folder.name.startswith(incomplete)}
        files = click.Path().shell_complete(ctx, param, incomplete)
        return [CompletionItem(path) for path in sorted(found)] or files
