"""How often the judge of metrics is wrong: false alarms and finds, beside two other formulas.

    python -m benchmarks.anomalies [--series 1000] [--seed 1]

In: nothing but the installed project. Out: two tables on standard output. The first, for
histories of 9, 30 and 60 days: the share of quiet last days that are reported, and of last days
made wrong by a factor that are found. The second, for 9, 20 and 60 days: of drops that stay, how
many are found on their second and third day, too. Then what judging a year of 100 metrics takes,
all of it as a full build does, and what a daily build reads of it.

The series are made from a seed: a level between 200 and 100,000, weekends 25 % higher, a trend
of up to 0.3 % a day either way, 4 % of multiplicative noise, whole numbers, and a last day of
any weekday. Each factor is tried on the same series. Quiet last days are those with factor 1.

Ours is the SQL of `health.rpt_anomalies` as dbt compiles it, with the thresholds that the
project ships, over a table in place of `health.fct_daily_load_metrics`. The others are written
here from what is published of them:

- elementary: |z| > 3 with the mean and standard deviation of its training period, 14 days by
  default, which the tested day is part of, from 7 values on; "elementary, 61 days" is the same
  with a training period as long as our look-back.
- plain MAD: |value - median| > 3.5 * 1.4826 * MAD of the days before.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psycopg

from operations.services import embedded_postgres
from warehouse.settings import PROJECT_ROOT, Settings

POSTGRES_PORT = 25494
HISTORIES = (9, 30, 60)
FACTORS = {"quiet": 1.0, "-99 %": 0.01, "-50 %": 0.5, "-30 %": 0.7, "+50 %": 1.5, "x2": 2.0}
LASTING_HISTORIES = (9, 20, 60)
LASTING = {"-99 %": 0.01, "-50 %": 0.5, "-30 %": 0.7}
METRIC = "listens_new"
LAST_DAY = date(2026, 6, 28)
WEEKEND, NOISE, LARGEST_TREND = 1.25, 0.04, 0.003
SATURDAY = 5
YEAR_METRICS, YEAR_DAYS = 100, 365
# an incremental build reads as much, see rpt_anomalies.sql
DAILY_DAYS = 241

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Methods = dict[str, Callable[[Values, list[date]], Flags]]


@dataclass(frozen=True)
class Sample:
    """Series of one length.

    Attributes:
        values: One row per series, one column per day, the last being the one to judge.
        last_days: The date of each series' last column.
    """

    values: Values
    last_days: list[date]

    def spoiled(self, factor: float, days: int = 1) -> Values:
        """The series with the last days multiplied."""
        spoiled = self.values.copy()
        spoiled[:, -days:] = np.round(spoiled[:, -days:] * factor)
        return spoiled


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    samples = {days: _sample(generator, options.series, days + 1) for days in HISTORIES}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", embedded_port=POSTGRES_PORT)
        embedded_postgres.start(settings)
        try:
            judge = _Judge(settings.database_url, Path(folder))
            methods: Methods = {
                "ours": judge.last_days_found,
                "elementary": lambda values, _: elementary(values, 14),
                "elementary, 61 days": lambda values, _: elementary(values, 61),
                "plain MAD": lambda values, _: plain_mad(values),
            }
            print(f"{options.series:,} series of each length, seed {options.seed}\n")
            print(f"{'history':>7}  {'':20}" + "".join(f"{name:>9}" for name in FACTORS))
            for days, sample in samples.items():
                _print_shares(f"{days:>7}", methods, sample, FACTORS, 1)
            print(f"\nday  {'history':>7}  {'':20}" + "".join(f"{name:>9}" for name in LASTING))
            for day in (2, 3):
                for days in LASTING_HISTORIES:
                    sample = _sample(generator, options.series, days + day)
                    _print_shares(f"{day:>3}  {days:>7}", methods, sample, LASTING, day)
            year = _sample(generator, YEAR_METRICS, YEAR_DAYS)
            print(f"\n{YEAR_METRICS} metrics, at a load average of {os.getloadavg()[0]:.1f}:")
            for days in (YEAR_DAYS, DAILY_DAYS):
                seconds = judge.seconds(year.values[:, -days:], year.last_days)
                print(f"{days} days each: {seconds:.2f} s")
        finally:
            embedded_postgres.stop(settings)


def _print_shares(
    label: str, methods: Methods, sample: Sample, factors: dict[str, float], days: int
) -> None:
    for name, method in methods.items():
        shares = [
            method(sample.spoiled(factor, days), sample.last_days).mean()
            for factor in factors.values()
        ]
        print(f"{label}  {name:20}" + "".join(f"{share:>9.1%}" for share in shares), flush=True)


def elementary(values: Values, training_days: int) -> Flags:
    """Elementary's z-score at its default sensitivity.

    Source: docs.elementary-data.com, "Data anomaly detection method" and
    "exclude_detection_period_from_training" (false by default).

    Args:
        values: One row per series.
        training_days: Length of the training period; the tested day is its last.

    Returns:
        For each series whether its last day is an anomaly.
    """
    fewest_values, sensitivity = 7, 3
    training = values[:, -training_days:]
    deviation = training.std(axis=1, ddof=1)
    apart = np.abs(values[:, -1] - training.mean(axis=1))
    flags: Flags = (apart > sensitivity * deviation) & (training.shape[1] >= fewest_values)
    return flags


def plain_mad(values: Values) -> Flags:
    """The modified z-score of Iglewicz and Hoaglin (1993) at the 3.5 they recommend.

    Args:
        values: One row per series; the last day is left out of median and MAD.

    Returns:
        For each series whether its last day is an anomaly.
    """
    history = values[:, :-1]
    median = np.median(history, axis=1)
    deviation = 1.4826 * np.median(np.abs(history - median[:, None]), axis=1)
    flags: Flags = np.abs(values[:, -1] - median) > 3.5 * deviation
    return flags


def _sample(generator: np.random.Generator, series: int, days: int) -> Sample:
    level = np.exp(generator.uniform(np.log(200), np.log(100_000), size=(series, 1)))
    trend = generator.uniform(-LARGEST_TREND, LARGEST_TREND, size=(series, 1))
    noise = generator.normal(0, NOISE, size=(series, days))
    last_days = [LAST_DAY - timedelta(days=number % 7) for number in range(series)]
    ages = np.arange(days)[::-1]
    is_weekend = np.array(
        [
            [(last - timedelta(days=int(age))).weekday() >= SATURDAY for age in ages]
            for last in last_days
        ]
    )
    weekly = np.where(is_weekend, WEEKEND, 1.0)
    return Sample(np.round(level * weekly * np.exp(noise - trend * ages)), last_days)


class _Judge:
    """The project's own SQL, on a database that has nothing else."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._connection.execute("create schema health")
        environment = {
            **os.environ,
            "LISTENHOUSE_DATABASE_URL": database_url,
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
        }
        dbt = str(Path(sys.executable).parent / "dbt")
        for command in (
            ("seed", "--select", "metric_thresholds"),
            ("compile", "--select", "rpt_anomalies"),
        ):
            subprocess.run(
                [dbt, "--quiet", *command],
                cwd=PROJECT_ROOT,
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        (compiled,) = (folder / "target" / "compiled").glob("**/rpt_anomalies.sql")
        self._sql = compiled.read_text()

    def last_days_found(self, values: Values, last_days: list[date]) -> Flags:
        """For each series whether its last day is an anomaly."""
        self._judge(values, last_days)
        found = self._connection.execute(
            "select distinct on (subject) is_anomaly from health.rpt_anomalies"
            " order by subject, measured_date desc"
        ).fetchall()
        return np.array([is_anomaly for (is_anomaly,) in found])

    def seconds(self, values: Values, last_days: list[date]) -> float:
        """How long all days of all series take to judge."""
        return self._judge(values, last_days)

    def _judge(self, values: Values, last_days: list[date]) -> float:
        connection = self._connection
        connection.execute(
            "drop table if exists health.fct_daily_load_metrics, health.rpt_anomalies"
        )
        connection.execute(
            "create table health.fct_daily_load_metrics (metric_name text, subject text,"
            " measured_date date, value double precision, covered_hours double precision)"
        )
        copy = "copy health.fct_daily_load_metrics from stdin"
        with connection.cursor() as cursor, cursor.copy(copy) as rows:
            for number, (series, last_day) in enumerate(zip(values, last_days, strict=True)):
                for age, value in enumerate(series[::-1]):
                    day = last_day - timedelta(days=age)
                    rows.write_row((METRIC, f"series {number:06}", day, float(value), 24.0))
        connection.execute("analyze health.fct_daily_load_metrics")
        begin = time.perf_counter()
        connection.execute(f"create table health.rpt_anomalies as {self._sql}".encode())
        return time.perf_counter() - begin


if __name__ == "__main__":
    main()
