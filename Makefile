PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test soak lint

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
	$(BIN)/lint-imports

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --upgrade pip
	$(BIN)/python -m pip install -qq -e .
	touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install -qq -e '.[dev]'
	touch $@

.venv/ready-docs: .venv/ready
	$(BIN)/python -m pip install -qq -e '.[docs]'
	touch $@
