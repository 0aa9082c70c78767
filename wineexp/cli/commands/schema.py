"""``wineexp schema``."""

import json

import click

from wineexp.specs.schema import json_schema


@click.command()
def command() -> None:
    """Print the JSON schema of the YAML, for editors."""
    click.echo(json.dumps(json_schema(), indent=2))
