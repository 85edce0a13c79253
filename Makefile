# `make demo` builds a demo board, `make bot` and `make web` talk with it, `make test` runs the tests.
# All of them make .venv first; they need Python 3.11 or newer and a C++ compiler, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo
PIP := $(BIN)/python -m pip install --disable-pip-version-check
BOT := $(BIN)/python bot.py --index $(DEMO)/index --previews $(DEMO) --profiles $(DEMO)/profiles.sqlite

.PHONY: demo bot web test clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(PIP) -r requirements.txt
	touch $@

# The page, and color and completion in the terminal.
$(VENV)/.bot-installed: requirements-extra.txt $(VENV)/.installed
	grep -E '^(rich|prompt_toolkit|starlette|threadpoolctl|uvicorn)' requirements-extra.txt > $(VENV)/bot.txt
	$(PIP) -r $(VENV)/bot.txt
	touch $@

$(VENV)/.tests-installed: requirements-test.txt requirements-extra.txt $(VENV)/.installed
	$(PIP) -r requirements-test.txt
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python hydrate_data.py --demo --demo-dir $(DEMO) --index $(DEMO)/index
	$(BIN)/python embed_tags.py --index $(DEMO)/index
	$(BIN)/python solve_attenuator.py --index $(DEMO)/index
	$(BIN)/python construct_index.py --index $(DEMO)/index
	$(BIN)/python solve_recognizer.py --index $(DEMO)/index --previews $(DEMO) --no-fetch
	rm -f $(DEMO)/example.sqlite*
	printf '%s\n' '/enjoy fox night' '/walk' '/like' '/like' '/dislike' '/stop' '/more' '/taste' '/quit' \
	  | $(BIN)/python bot.py --index $(DEMO)/index --previews $(DEMO) \
	    --profiles $(DEMO)/example.sqlite --sheet $(DEMO)/recommendations.png
	@printf '%s\n' '' 'The demo board is ready, in $(DEMO)/. Next:' \
	  '  make bot     talk with it here, in the terminal' \
	  '  make web     talk with it in the browser' \
	  'The posts of the talk above are in $(DEMO)/recommendations.png.'

# The recognizer is the last artifact of the demo: where it is missing, the demo is made first.
$(DEMO)/index/recognizer.npz:
	$(MAKE) demo

bot: $(DEMO)/index/recognizer.npz $(VENV)/.bot-installed
	@$(BOT)

web: $(DEMO)/index/recognizer.npz $(VENV)/.bot-installed
	@$(BOT) --web

test: $(VENV)/.tests-installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -n 2 --dist worksteal

clean:
	rm -rf $(VENV) $(DEMO)
