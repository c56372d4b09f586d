# For those who type make: each target is a command of `python3 infra/local`, which installs what it needs.
.PHONY: help setup demo up change tidemark lint test soak prove

help:
	@python3 infra/local --help

setup demo up change tidemark lint test soak prove:
	@python3 infra/local $@
