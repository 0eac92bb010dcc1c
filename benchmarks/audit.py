"""The data tests of a day without its models, as `listenhouse run` has them.

In: a built warehouse. Out: nothing on standard output; exit code 1 when a test fails. Reads what
was built since the last time it passed, as a run does.
"""

from __future__ import annotations

import json
import sys

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt_common.invocation import get_invocation_id

from operations.daily_run.audit import Audit
from warehouse.database import connect
from warehouse.settings import read_settings


def main() -> None:
    """Runs the tests."""
    manifest = dbtRunner().invoke(["--quiet", "--no-write-json", "parse"]).result
    if not isinstance(manifest, Manifest):
        sys.exit("the project cannot be parsed")
    with connect(read_settings(), "benchmarks.audit") as connection:
        audit = Audit(connection, manifest, complete=False)
        audit.begin()
        since = str(audit.since or "")
        arguments = ["test", "--exclude-resource-type", "unit_test"]
        outcome = dbtRunner(manifest=manifest).invoke(
            ["--quiet", *arguments, "--vars", json.dumps({"audit_since": since})]
        )
        if not outcome.success:
            sys.exit(1)
        audit.succeed(get_invocation_id())


if __name__ == "__main__":
    main()
