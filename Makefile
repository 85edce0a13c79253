# Two commands: `make demo` and `make test`. Both make .venv first and need nothing but Python.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test lint clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.tests-installed: requirements-test.txt requirements-extra.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -r requirements-test.txt
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python hydrate_data.py --demo --demo-dir $(DEMO) --index $(DEMO)/index
	$(BIN)/python embed_tags.py --index $(DEMO)/index
	$(BIN)/python solve_attenuator.py --index $(DEMO)/index
	$(BIN)/python construct_index.py --index $(DEMO)/index
	$(BIN)/python solve_recognizer.py --index $(DEMO)/index --previews $(DEMO) --no-fetch
	rm -f $(DEMO)/profiles.sqlite*
	printf '%s\n' '/enjoy fox night' '/walk' '/like' '/like' '/dislike' '/stop' '/more' '/taste' '/quit' \
	  | $(BIN)/python bot.py --index $(DEMO)/index --previews $(DEMO) \
	    --profiles $(DEMO)/profiles.sqlite --sheet $(DEMO)/recommendations.png

test: $(VENV)/.tests-installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile

clean:
	rm -rf $(VENV) $(DEMO)
