"""Run the command: `python3 infra/local prove`."""

import sys

from tests.conformance.real.command import main

if __name__ == "__main__":
    sys.exit(main())
