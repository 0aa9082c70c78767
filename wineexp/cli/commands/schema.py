"""``wineexp schema``."""

import click

from wineexp.specs.schema import json_schema
from wineexp.streams import print_json


@click.command()
def command() -> None:
    """Print the JSON schema of the YAML, for editors."""
    print_json(json_schema())
