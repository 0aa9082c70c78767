"""The runs that train now, redrawn in place at the foot of a terminal of any width."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wineexp.execution.standing import LossesSoFar, Standing
from wineexp.specs.run_spec import RunSpec
from wineexp.text import format_duration, one_line, shortened, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = ["LiveView"]

#: Redraws per second.
BY_SECOND = 4

#: Characters of a loss's column, and of the column of the constant's loss, with the space before them.
LOSS, CONSTANT = 10, 17

#: Least characters of a run's name, and of the bar; with less room they are left out.
LEAST_NAME, LEAST_BAR = 12, 6

#: Lines of a terminal left for the output above: the header, runs that have ended.
ABOVE = 8


class LiveView:
    """A line for each run in training, and one for all of them.

    Parameters
    ----------
    standing : Standing
        The state to draw; it changes while the view is open.
    names : mapping of RunSpec to (str, str)
        Each run's variant, which may be shortened, and its seed.
    starting : str
        The activity until the first epoch.
    console : rich.console.Console, optional
        By default stderr.
    """

    def __init__(
        self,
        standing: Standing,
        names: Mapping[RunSpec, tuple[str, str]],
        starting: str,
        console: Console | None = None,
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self.standing, self.names, self.starting = standing, names, starting
        self.console = console or Console(stderr=True)
        self._began = time.monotonic()
        self._open = True
        self._short: dict[int, dict[str, str]] = {}
        # A thread of its own redraws it: training only notes numbers.
        self._live = Live(
            console=self.console,
            get_renderable=self.render,
            refresh_per_second=BY_SECOND,
            vertical_overflow="crop",
        )
        self._live.start()
        self.refresh()  # otherwise only a quarter of a second later

    def tell(self, line: str) -> None:
        """Print a line above the view, if the terminal is still there."""
        with contextlib.suppress(OSError):  # the terminal is gone: training goes on
            self.console.print(visible(line), markup=False, highlight=False, soft_wrap=True)

    def refresh(self) -> None:
        """Draw the present state at once, if the terminal is still there."""
        with contextlib.suppress(OSError):
            self._live.refresh()

    def name(self, spec: RunSpec, width: int) -> str:
        """A run's name in at most ``width`` characters, distinct from every other variant's."""
        label, seed = self.names[spec]
        room = max(1, width - max(len(one) for _, one in self.names.values()) - 1)
        if room not in self._short:
            self._short[room] = shortened([one_line(one) for one, _ in self.names.values()], room)
        return f"{self._short[room][one_line(label)]} {seed}".strip()

    def close(self, *, keep: bool) -> None:
        """Restore the terminal; with ``keep``, the line for all runs stays."""
        self._open = False
        self._live.transient = not keep
        with contextlib.suppress(OSError):
            self._live.stop()

    def render(self) -> RenderableType:
        """The view of the present state."""
        from rich.console import Group

        if not self._open:
            return self._overall()
        if not self.standing.is_training:
            passed = time.monotonic() - self._began
            return self._line(f"{self.starting}, {format_duration(passed)}", style="dim")
        running = list(self.standing.running.items())
        shown = running[: max(1, self.console.height - ABOVE)]
        lines: list[RenderableType] = self._table(shown) if shown else []
        if more := len(running) - len(shown):
            lines.append(self._line(f"and {more} more", style="dim"))
        return Group(*lines, self._overall())

    def _table(self, running: list[tuple[RunSpec, LossesSoFar]]) -> list[RenderableType]:
        """The heading, and a line for each run."""
        width = self.console.width
        counted = max(len("epoch"), *(len(_of(spec.epochs, spec.epochs)) for spec, _ in running))
        room = width - counted - 2
        with_constant = room - 2 * LOSS - CONSTANT >= LEAST_NAME
        room -= 2 * LOSS + CONSTANT * with_constant
        longest = max(len(f"{label} {seed}".strip()) for label, seed in self.names.values())
        with_loss = with_constant and room - LOSS >= longest
        name = max(1, min(longest, room - LOSS * with_loss))
        name = max(name, len("run"))
        in_mae = all((spec.loss, spec.scale_target) == ("mae", "none") for spec, _ in running)
        constant = "constant's MAE" if in_mae else "constant's loss"

        def line(what: str, epoch: str, reached: list[str], limit: str, style: str = "") -> RenderableType:
            cells = [what.ljust(name), epoch.rjust(counted + 2), *(one.rjust(LOSS) for one in reached)]
            cells += [limit.rjust(CONSTANT)] * with_constant
            return self._line("".join(cells), style=style)

        losses = ["loss"] * with_loss
        lines = [line("run", "epoch", [*losses, "val_loss", "best"], constant, style="dim")]
        for spec, one in running:
            numbers = [_number(one.loss)] * with_loss + [_number(one.val_loss), _number(one.best)]
            limit = _number(self.standing.constant(spec)) if with_constant else ""
            lines.append(line(self.name(spec, name), _of(one.epochs, spec.epochs), numbers, limit))
        return lines

    def _overall(self) -> RenderableType:
        """The state of all runs, with a bar if there is room for one."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        fraction, many = self.standing.fraction, self.standing.planned > 1
        name, text = "all runs" if many else "this run", f"{fraction:4.0%}  {', '.join(self._counted(many))}"
        bar = self.console.width - len(name) - len(text) - 4
        if bar < LEAST_BAR:
            return self._line(f"{name}  {text}")
        row = Table.grid(padding=(0, 2))
        row.add_row(name, ProgressBar(1.0, fraction, width=min(bar, 40)), self._line(text))
        return row

    def _counted(self, many: bool) -> list[str]:
        """How many are done, failed and left, and the remaining time."""
        standing = self.standing
        words = [f"{standing.done} of {standing.planned} done"] if many else []
        if standing.failed:
            words.append(f"{standing.failed} failed")
        if many and standing.left:
            again = f" ({standing.interrupted} interrupted)" if standing.interrupted else ""
            words.append(f"{standing.left} left{again}")
        if self._open and standing.left and (seconds := standing.seconds_left) is not None:
            words.append(f"about {format_duration(seconds)}")
        return words

    def _line(self, text: str, *, style: str = "") -> Text:
        from rich.text import Text

        return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _of(epoch: int, epochs: int) -> str:
    return f"{epoch}/{epochs}"


def _number(value: float) -> str:
    """A loss in a column of eight characters; a dash if there is none."""
    if math.isinf(value) and value > 0:
        return "-"
    plain = value == 0 or 0.001 <= abs(value) < 1000 or math.isnan(value)
    return f"{value:.4f}" if plain else f"{value:.2e}"
