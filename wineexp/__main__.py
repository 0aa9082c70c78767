"""``python -m wineexp``."""

from wineexp.cli import main

main()
