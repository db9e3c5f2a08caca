"""Results as a person or a program reads them."""

import json
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def show(results: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(results, indent=2))
        return
    for result in results:
        click.echo(result["what"])
        for name, value in result.items():
            if name != "what":
                click.echo(f"    {name.replace('_', ' '):24} {value}")
