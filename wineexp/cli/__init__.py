"""The command line. Commands parse, call one function and print; each is imported when it is called."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from wineexp import imports, runtime, signals
from wineexp.cli.notes import INTERRUPTED, common_options
from wineexp.errors import WineexpError, lack_of_memory, nearest
from wineexp.streams import ClosedPipeError, print_err, print_out, refusing_stdout, secure

__all__ = ["COMMANDS", "main", "run"]

#: Command -> the first line of its help; a test compares each with the command's own.
COMMANDS = {
    "train": "Train one model and save its run.",
    "batch": "Train every run of YAML configs, on every core or a Dask cluster.",
    "compare": "Compare runs: one figure, one table, and which differences are real.",
    "study": "Train a config's runs, compare them and write a report.",
    "report": "Write one self-contained page: the answer, the curves, the table, the runs.",
    "predict": "Predict new rows with a saved run.",
    "inspect": "Look inside a saved run: its layers' activations, and whether its moving averages fit.",
    "why": "Say what is wrong with a run, with its figures and a command to try.",
    "export": "Send finished runs to MLflow or TensorBoard, skipping those already sent.",
    "data": "Show which table would be used and why, fetch it, or add a copy of it.",
    "runs": "List runs as a table: filter, sort, choose columns.",
    "show": "Show everything about one run.",
    "diff": "Show two runs side by side: the settings that differ, then their metrics.",
    "rm": "Remove runs and studies, after listing them and asking.",
    "doctor": "Check this installation: versions, memory, device, table, extras.",
    "completion": "Print a shell's completion script.",
    "help": "Show the help of wineexp, or of one command.",
    "schema": "Print the JSON schema of the YAML, for editors.",
}

#: Commands that load TensorFlow, here or in processes of their own.
_WITH_TENSORFLOW = {"train", "batch", "study", "predict", "inspect", "why"}


class _Lazy(click.Group):
    """Lists the commands without importing them, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"wineexp.cli.commands.{cmd_name}")
        command: click.Command = module.command
        if not any(parameter.name == "quiet" for parameter in command.params):
            command.params += common_options()
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            from wineexp.cli.hints import COMMAND_ALIASES

            hint = nearest(args[0], COMMANDS, COMMAND_ALIASES)
            raise click.UsageError(f"no command {args[0]!r}{hint}; see wineexp --help")
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and any("=" in word for word in rest):
            from wineexp.cli.hints import refuse_settings

            refuse_settings(command, rest)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        installed = runtime.versions()
        print_out(
            f"wineexp {installed['wineexp']} (TensorFlow {installed['tensorflow']}, Keras {installed['keras']})"
        )
        ctx.exit()


@click.group(
    cls=_Lazy,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    params=list(common_options()),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, help="Show a traceback with every error.")
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show versions."
)
@click.pass_context
def group(context: click.Context, debug: bool) -> int | None:
    """Does dropout help on this table? Does batch normalization, and before or after the activation?

    Trains Keras models on the red-wine table, keeps every run, draws them on the same axes and says which
    differences are real.
    """
    if context.invoked_subcommand is not None:
        if context.invoked_subcommand in _WITH_TENSORFLOW and not context.obj["help"]:
            # First of all: an allocation that fails during an import ends in any words, or never (Python 3.11).
            runtime.check_address_space(new_process=True)
        return None
    print_err(context.get_help())
    return 2  # no command was given: a script that lost its command must notice


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line on ``argv`` (default: the process's) and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # pydantic looks through every installed package for plugins, which takes longer than our own start-up.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    with signals.answering() as answered:
        try:
            code = _run(arguments)
        except Exception:
            if answered.number is None:
                raise
            # An interrupt during the loading of an extension appears as an error of that extension.
            code = _fail("interrupted", INTERRUPTED)
    # A signal during the recording of the last run stopped nothing, but its sender expects this exit code.
    return answered.exit_code if code == INTERRUPTED or answered.number is not None else code


def _run(arguments: list[str]) -> int:
    asks_for_help = bool({"-h", "--help"} & set(arguments))
    # click prints help, `streams` everything else.
    printing = refusing_stdout() if asks_for_help else contextlib.nullcontext()
    try:
        with printing:
            code = group.main(arguments, prog_name="wineexp", standalone_mode=False, obj={"help": asks_for_help})
    except click.UsageError as error:
        from wineexp.cli.hints import usage_problem

        problem = usage_problem(error, arguments, list(COMMANDS), _find)
        return _fail(problem, error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except ClosedPipeError as error:  # without a message, like other tools before `head`
        return error.exit_code
    except WineexpError as error:
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        return _fail(str(error), error.exit_code)
    except Exception as error:
        lack = lack_of_memory(error)
        if lack is None:
            raise
        return _fail(lack, 1)
    return code if isinstance(code, int) else 0


def _find(name: str) -> click.Command | None:
    return group.get_command(click.Context(group, info_name="wineexp"), name)


def _fail(message: str, code: int) -> int:
    for line in message.splitlines():
        print_err(f"wineexp: {line}")
    return code


def main() -> None:
    """The ``wineexp`` script."""
    secure()
    imports.show_warnings()
    imports.leave_out("matplotlib.pyplot", "sklearn")
    imports.postpone(*imports.TENSORFLOW_LATER)
    code = run()
    if code > 128:
        # If an interrupt came during an `exec` (the making of a dataclass, say), Python would end with SIGINT
        # whatever the code. Everything is recorded and the workers have ended by now.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
