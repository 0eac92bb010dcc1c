"""The part of `spark_als` that runs in Spark's environment.

    python train.py FOLDER SETTINGS

In: FOLDER/plays.parquet (user, track, weight); settings as JSON. Out: FOLDER/factors (id of a
track, features).
"""

from __future__ import annotations

import json
import os
import sys

from pyspark.ml.recommendation import ALS
from pyspark.sql import SparkSession


def main(folder: str, settings: dict[str, float]) -> None:
    """Factorizes the plays of the folder."""
    driver = os.environ.get("LISTENHOUSE_SPARK_DRIVER_HOST", "127.0.0.1")
    spark = (
        SparkSession.builder.master(os.environ.get("LISTENHOUSE_SPARK_MASTER", "local[*]"))
        .appName("listenhouse als")
        .config("spark.driver.host", driver)
        .config("spark.driver.bindAddress", driver)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    als = ALS(
        userCol="user",
        itemCol="track",
        ratingCol="weight",
        implicitPrefs=True,
        rank=settings["factors"],
        maxIter=settings["iterations"],
        regParam=settings["regularization"],
        alpha=settings["alpha"],
        seed=settings["seed"],
    )
    plays = spark.read.parquet(f"{folder}/plays.parquet")
    als.fit(plays).itemFactors.write.parquet(f"{folder}/factors")
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
