"""``python -m wineexp``, and the ``wineexp`` script."""

from __future__ import annotations

import os

__all__ = ["main"]


def main() -> None:
    """Run the command line; a signal that comes while it is imported ends the program without a traceback."""
    try:
        import signal

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # `nohup` ignores one
                signal.signal(number, lambda number, _: os._exit(128 + number))
        from wineexp.cli import main as command_line
    except KeyboardInterrupt:  # before it was answered
        os._exit(130)
    command_line()


if __name__ == "__main__":
    main()
