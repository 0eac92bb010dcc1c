"""`python -m ingestion`: the same as `dlt pipeline listen_history run`."""

from __future__ import annotations

import argparse

from ingestion.dlt_plugin import RunCommand


def main() -> None:
    """Parses the command line and runs one load."""
    command = RunCommand()
    parser = argparse.ArgumentParser("python -m ingestion", description=command.help_string)
    parser.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    command.configure_parser(parser)
    command.execute(parser.parse_args())


if __name__ == "__main__":
    main()
