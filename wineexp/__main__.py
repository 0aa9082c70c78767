"""``python -m wineexp``."""

from wineexp.cli import main

if __name__ == "__main__":
    main()
