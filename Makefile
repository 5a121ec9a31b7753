PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo docs docs-serve test soak lint lock test-lowest test-newest smoke audit-deps sbom wheel wheel-check

demo: .venv/ready
	rm -rf demo
	$(BIN)/facevalue annotate "$(or $(PHOTOS),$$($(BIN)/python -m facevalue.data.sets.astronaut))" --out demo
	@echo "Open demo/report.html"

docs: .venv/ready-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html"

docs-serve: .venv/ready-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

test: .venv/ready-dev
	$(BIN)/facevalue models fetch default blazeface
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile -m "not soak"

soak: .venv/ready-dev
	FACEVALUE_SOAK_ROUNDS=$(or $(FACEVALUE_SOAK_ROUNDS),1) OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/soak -s

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/downstream.py
	$(BIN)/lint-imports

RENEW = --upgrade
lock: .venv/tools/ready
	.ci/lock .venv/tools/bin/uv $(RENEW)

# a part of the suite that touches every dependency, on the oldest and on the newest releases that pyproject.toml allows;
# warnings are no errors there: releases of other years warn of each other
ON_OTHERS = OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -n 2 --dist loadfile -p no:cacheprovider -W default \
	$(or $(TESTS),tests/data tests/image tests/stats tests/models tests/confidence tests/annotate tests/train)

test-lowest:
	.ci/environment .venv/lowest lowest $(PYTHON)
	$(call ON_OTHERS,.venv/lowest)

test-newest:
	.ci/environment .venv/newest newest $(PYTHON)
	$(call ON_OTHERS,.venv/newest)

# imports, the command line and one photo measured, on the oldest releases and on the other Pythons that are there
smoke: .venv/ready-dev
	.ci/smoke

audit-deps: .venv/tools/ready
	.ci/audit_deps.py $(AUDIT) .venv/tools/bin/pip-audit requirements/dev.txt

sbom: .venv/ready-dev
	mkdir -p dist
	$(BIN)/facevalue licences --sbom dist/sbom.json --csv > dist/licences.csv

wheel: .venv/tools/ready
	.ci/wheel .venv/tools/bin/python dist

wheel-check: wheel .venv/ready-dev
	.ci/wheel_check dist/facevalue-*.whl $(PYTHON)

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --upgrade pip
	$(BIN)/python -m pip install -qq -e .
	touch $@

# what CI runs on: every release as locked; `make lock` writes the locks anew with the newest releases, `make lock RENEW=` keeps them
.venv/ready-dev: pyproject.toml requirements/dev.txt requirements/torch.txt
	.ci/environment .venv dev $(PYTHON)
	touch $@

.venv/tools/ready: requirements/tools.txt requirements/uv.txt
	$(PYTHON) -m venv .venv/tools
	.venv/tools/bin/python -m pip install -qq --require-hashes --no-deps -r requirements/uv.txt -r requirements/tools.txt
	touch $@

.venv/ready-docs: .venv/ready
	$(BIN)/python -m pip install -qq -e '.[docs]'
	touch $@
