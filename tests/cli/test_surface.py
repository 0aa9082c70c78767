"""The command line is a contract: what changes in it changes ``surface.txt`` too. One table, four formats."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt
from support import fabricate

from wineexp.cli import group

#: A line for each command: its options with their choices and defaults, then its arguments.
SURFACE = Path(__file__).with_name("surface.txt")


def words(parameter):
    """A parameter's names, its choices in braces, and its default."""
    yield from sorted(parameter.opts + parameter.secondary_opts, key=len)
    if choices := getattr(parameter.type, "choices", None):
        yield f"{{{','.join(choices)}}}"
    default = parameter.to_info_dict()["default"]
    if parameter.param_type_name == "option" and default not in (None, False):
        yield f"= {default}"


def line(name, command):
    return f"{name}: {'; '.join(sorted(' '.join(words(parameter)) for parameter in command.params))}"


def test_commands_options_choices_and_defaults_are_those_of_the_contract():
    context = click.Context(group)
    commands = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    assert [line("wineexp", group), *(line(*command) for command in commands)] == SURFACE.read_text().splitlines()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, small_table):
    return fabricate.save_cross(tmp_path_factory.mktemp("runs"), small_table)


@pytest.mark.parametrize("command", ["runs", "compare"])
def test_markdown_has_the_cells_of_the_text(cli, runs, tmp_path, command):
    arguments = [command, runs, *(["-o", tmp_path / "c.png"] if command == "compare" else [])]
    _, text, _ = cli(*arguments)
    code, markdown, _ = cli(*arguments, "--format", "md")
    assert code == 0
    html = MarkdownIt("commonmark").enable("table").render(markdown)
    heads, *body = text.split("\n\n")[0].splitlines()
    assert html.count("<tr>") >= len(body) + 1
    for line in [heads, *body]:
        for cell in filter(None, line.split("  ")):
            assert f">{cell.strip()}</t" in html
    for sentence in text.split("\n\n")[-1].splitlines() if command == "compare" else []:
        assert f"{sentence}  \n" in f"{markdown.rstrip()}  \n"


def test_a_name_is_no_markup_in_a_sentence_either(cli, small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path / "r", small_table, seed=seed, name="plain")
        fabricate.save(tmp_path / "r", small_table, seed=seed, dropout=0.3, error=0.4, name="<b>*new*</b>")
    _, markdown, _ = cli("compare", tmp_path / "r", "-o", tmp_path / "c.png", "--format", "md")
    shown = MarkdownIt("commonmark").enable("table").render(markdown)
    assert "<b>" not in shown
    assert "<em>" not in shown
    assert shown.count("&lt;b&gt;*new*&lt;/b&gt;") >= 2, "in the table and in the sentence"


def test_formats_have_short_names_and_are_given_once(cli, runs):
    assert cli("runs", runs, "--json") == cli("runs", runs, "--format", "json")
    assert cli("runs", runs, "--csv", "--format", "csv") == cli("runs", runs, "--csv")
    code, out, err = cli("runs", runs, "--csv", "--format", "md")
    assert (code, out, err) == (2, "", "wineexp: --csv and --format md: expected one of them\n")
