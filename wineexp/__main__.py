"""``python -m wineexp``, and the ``wineexp`` script."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; a signal during its import ends the program without a traceback."""
    try:
        import signal

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # `nohup` ignores one
                signal.signal(number, lambda number, _: os._exit(128 + number))
        from wineexp.cli import main as command_line
    except KeyboardInterrupt:  # it came before the handlers were set
        os._exit(130)
    except (ImportError, MemoryError) as error:
        from wineexp.errors import lack_of_memory

        if (problem := lack_of_memory(error)) is None:
            raise
        sys.exit(f"wineexp: {problem}")
    command_line()


if __name__ == "__main__":
    main()
