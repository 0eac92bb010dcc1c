"""Runs commands of dbt and queries in one Spark session: starting one takes longer than most.

Run by the Python of spark/.venv. In: a line of JSON for each request on standard input,
`{"dbt": [argument, …]}` or `{"sql": query}`. Out: a line of JSON for each answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dbt.cli.main import dbtRunner
from pyspark.sql import SparkSession


def run_dbt(arguments: list[str]) -> dict[str, Any]:
    """The status of every node that ran, and what those say that failed."""
    outcome = dbtRunner().invoke([*arguments, "--target", "spark", "--log-level", "none"])
    results = getattr(outcome.result, "results", [])
    return {
        "statuses": {result.node.name: str(result.status) for result in results},
        "messages": {
            result.node.name: result.message
            for result in results
            if str(result.status) in ("error", "fail")
        },
        "error": str(outcome.exception or ""),
    }


def run_sql(query: str) -> list[list[Any]]:
    """The rows of a query, in the session that dbt has begun."""
    rows = SparkSession.builder.getOrCreate().sql(query).collect()
    return [[value if isinstance(value, int) else str(value) for value in row] for row in rows]


def main() -> None:
    """Answers until nobody asks any more."""
    answers = sys.stdout
    # what dbt and Spark print is no answer
    sys.stdout = sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        answer = run_dbt(request["dbt"]) if "dbt" in request else run_sql(request["sql"])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
