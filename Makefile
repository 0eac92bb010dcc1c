.DEFAULT_GOAL := help
.PHONY: help lock run test programs demo stop clean lint format cov docs site pages benchmark drill mutate tree lake notebooks dlt-dashboard airflow airflow-test spark spark-test kafka broker audit sbom manifest slim image notes

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: .venv/run ## Run a day: start what is needed, load, build, test
	@listenhouse run

test: programs lint ## Run everything that CI runs, and install first what it needs: lint, then every test
	@pytest -n 3 --dist loadgroup --no-loadscope-reorder --durations 25 --report-log test-report.jsonl

programs: .venv/dev ## Install Chromium, promtool and what else tests need, where this machine lets us
	@python -m tests.programs
	@! command -v mvn > /dev/null || $(MAKE) --silent kafka/jars/fetched

demo: .venv/demo ## Live 45 days of the simulated world in .listenhouse/demo, apart from your data (DAYS=45)
	@python -m demo --days $(or $(DAYS),45)

stop: .venv/run ## Stop the database and the simulator; the data stays
	@listenhouse down

clean: ## Stop and delete everything that was made here: data, environment, caches
	@[ ! -x .venv/bin/listenhouse ] || .venv/bin/listenhouse down || true
	@[ ! -d .listenhouse/demo ] || LISTENHOUSE_HOME=.listenhouse/demo .venv/bin/listenhouse down || true
	@rm -rf .listenhouse .venv orchestration/airflow/.venv spark/.venv spark/jars kafka/jars .mypy_cache .pytest_cache .ruff_cache htmlcov .coverage *.egg-info logs sbom.cdx.json site target test-report.jsonl .listenhouse-tests

lint: .venv/dev ## Check style, dependencies, types and SQL
	@ruff check && ruff format --check && deptry . && lint-imports --no-logo
	@mypy & types=$$!; sqlfluff lint --processes 2 dbt_project tests/dbt; sql=$$?; wait $$types && exit $$sql

format: .venv/dev ## Mend style in place
	@ruff check --fix && ruff format && sqlfluff fix --processes 2 dbt_project tests/dbt

cov: .venv/dev ## Run the tests and write coverage to htmlcov/
	@pytest -n 3 --dist loadgroup --no-loadscope-reorder --cov --cov-report html --cov-report term:skip-covered

docs: .venv/run ## Write lineage and dictionary to target/static_index.html, one file that opens offline
	@dbt docs generate --static
	@echo "Open $(or $(DBT_TARGET_PATH),target)/static_index.html in a browser."

# without a catalog, so not where `make docs` writes
site: export DBT_TARGET_PATH := $(or $(DBT_TARGET_PATH),target/site)
# the pages of a demo are copied from its folder, where it has run
site: .venv/dev ## Write the documentation's site to site/; it opens offline, at site/index.html
	@dbt --quiet parse && dbt --quiet docs generate --static --empty-catalog --no-compile
	@NO_MKDOCS_2_WARNING=1 mkdocs build $(if $(SITE),--site-dir $(SITE))
	@echo "Open $(or $(SITE),site)/index.html in a browser."

pages: .venv/run ## Write the health page and the listening dashboard to .listenhouse/pages, files that open offline
	@listenhouse pages

benchmark: .venv/dev ## Measure the load against its alternatives
	@python -m benchmarks.landing

drill: .venv/dev ## Run every drill, then N random ones from SEED on; where one is given, random ones only (N=20 SEED=1)
	@$(if $(N)$(SEED),,pytest tests/drills --every-drill &&) python -m tests.drills --number $(or $(N),20) --seed $(or $(SEED),1)

mutate: .venv/dev ## Change the models' SQL in one place at a time and list what no test notices (MODEL="a b")
	@python -m tools.mutation $(if $(MODEL),--select $(MODEL))

airflow: .venv/run orchestration/airflow/.venv/installed ## Install Airflow into an environment of its own

airflow-test: airflow ## Run the DAGs for real: a whole day, a day that fails
	@orchestration/airflow/.venv/bin/pytest -q -p no:cacheprovider --rootdir orchestration/airflow orchestration/airflow/tests

spark: .venv/lake spark/.venv/installed ## Install dbt for Spark into an environment of its own, and fetch its jars (takes Java and Maven)

spark-test: .venv/dev spark ## Build on PostgreSQL and on Spark, and compare: every mart, row for row
	@python -m pytest -q -p no:cacheprovider -o pythonpath=spark/als spark/tests

kafka: .venv/kafka kafka/jars/fetched ## Install what streams need, and fetch Kafka's jars for a broker to try them with (takes Java and Maven)

broker: kafka ## Run a Kafka broker on this machine until Ctrl-C
	@python -m tools.kafka_broker

tree: ## Show the folders of the repository
	@git ls-files | xargs -n 1 dirname | sort -u | sed -e 's|[^/]*/|  |g'

lake: .venv/lake ## Install what the lakehouse needs: PyIceberg

notebooks: .venv/notebooks ## Open the notebooks in marimo, after a first day where there is none
	@if [ -d $(or $(LISTENHOUSE_HOME),.listenhouse) ]; then listenhouse up; else listenhouse run; fi
	@marimo edit notebooks

dlt-dashboard: .venv/dashboard ## Open dlt's dashboard on the pipeline (installs dlthub, which has its own licence)
	@dlt pipeline listen_history show

audit: .venv/audit ## Ask PyPI for known vulnerabilities of what is pinned
	@pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

sbom: .venv/audit ## Write what is pinned to sbom.cdx.json, as CycloneDX
	@cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file sbom.cdx.json requirements.lock

manifest: .venv/run ## Write target/manifest.json, which `make slim` compares with
	@dbt --quiet parse

slim: .venv/run ## Build and test the models that differ from the manifest in the folder STATE, and what depends on them
	@listenhouse up && dlt pipeline listen_history run
	@dbt build --select @state:modified --exclude state:modified+ --exclude-resource-type test unit_test --state $(STATE)
	@dbt build --select state:modified+ --state $(STATE)

image: ## Build the image listenhouse:TAG (TAG=local)
	@docker build --tag listenhouse:$(or $(TAG),local) .

notes: .venv/dev ## Print the changelog of the version TAG, which has to be the one of pyproject.toml
	@python -m documentation.release_notes $(TAG)

# The lock files are complete, so there is nothing to resolve (--no-deps); with extras of locked
# packages pip would try to, and refuse for want of a hash. uv takes a third of pip's time. pip does
# it where it has an index of its own, of which uv does not know, and where uv cannot.
PIP = $(1)/bin/pip install --quiet --disable-pip-version-check --no-deps $(2)
UV = uv pip install --python $(1) --quiet --compile-bytecode --no-deps $(2)
install = { ! $(1)/bin/pip config list | grep -q index-url && $(UV) 2>/dev/null; } || $(PIP)

.venv/run: requirements.lock pyproject.toml requirements-uv.lock
	@$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('Listenhouse needs Python 3.11 or newer, $(PYTHON) is ' + sys.version.split()[0] + ': run make PYTHON=python3.12, or whichever you have.')"
	@echo "Installing into .venv …" >&2
	@$(PYTHON) -m venv .venv
	@$(call PIP,.venv,--require-hashes -r requirements-uv.lock) || true
	@$(call install,.venv,--require-hashes -r requirements.lock)
	@$(call install,.venv,--no-build-isolation -e .)
	@touch $@

.venv/dev: .venv/run requirements-dev.lock
	@$(call install,.venv,--require-hashes -r requirements-dev.lock)
	@$(call install,.venv,--no-build-isolation -e examples/own_model)
	@touch $@

.venv/audit: .venv/run requirements-audit.lock
	@$(call install,.venv,--require-hashes -r requirements-audit.lock)
	@touch $@

.venv/demo: .venv/run requirements-demo.lock
	@$(call install,.venv,--require-hashes -r requirements-demo.lock)
	@touch $@

.venv/lake: .venv/run requirements-lake.lock
	@$(call install,.venv,--require-hashes -r requirements-lake.lock)
	@touch $@

.venv/kafka: .venv/run requirements-kafka.lock
	@$(call install,.venv,--require-hashes -r requirements-kafka.lock)
	@touch $@

.venv/notebooks: .venv/run requirements-notebooks.lock
	@$(call install,.venv,--require-hashes -r requirements-notebooks.lock)
	@$(call install,.venv,--no-build-isolation -e examples/own_model)
	@touch $@

.venv/dashboard: .venv/run requirements-dashboard.lock
	@$(call install,.venv,--require-hashes -r requirements-dashboard.lock)
	@touch $@

orchestration/airflow/.venv/installed: orchestration/airflow/requirements.lock
	@$(PYTHON) -m venv orchestration/airflow/.venv
	@$(call install,orchestration/airflow/.venv,--require-hashes -r $<)
	@touch $@

kafka/jars/fetched: kafka/pom.xml
	@mvn --quiet --batch-mode --strict-checksums --file kafka/pom.xml dependency:copy-dependencies
	@touch $@

spark/.venv/installed: spark/requirements.lock spark/pom.xml
	@$(PYTHON) -m venv spark/.venv
	@$(call install,spark/.venv,--require-hashes -r $<)
	@mvn --quiet --batch-mode --strict-checksums --file spark/pom.xml dependency:copy-dependencies
	@touch $@

# After a change of dependencies in pyproject.toml; hashes, and no addresses.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
LOCK = $(COMPILE) pyproject.toml
lock: .venv/dev ## Pin the dependencies of pyproject.toml anew
	@echo uv | $(COMPILE) - -o requirements-uv.lock
	@$(LOCK) -o requirements.lock
	@$(LOCK) -o requirements-dev.lock -c requirements.lock --extra dev --extra demo --extra kafka --extra lake --extra notebooks
	@$(LOCK) -o requirements-demo.lock -c requirements-dev.lock --extra demo
	@$(LOCK) -o requirements-kafka.lock -c requirements-dev.lock --extra kafka
	@$(LOCK) -o requirements-lake.lock -c requirements-dev.lock --extra lake
	@$(LOCK) -o requirements-notebooks.lock -c requirements-dev.lock --extra notebooks
	@$(LOCK) -o requirements-audit.lock -c requirements-dev.lock --extra audit
	@$(LOCK) -o requirements-dashboard.lock -c requirements.lock --extra dashboard
	@$(COMPILE) orchestration/airflow/requirements.in -o orchestration/airflow/requirements.lock
	@$(COMPILE) spark/requirements.in -o spark/requirements.lock -c requirements.lock
