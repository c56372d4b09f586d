"""Run the local Azure and the app: `python3 infra/local up`."""

import signal
import sys

# Until the event loop takes Ctrl-C over, it ends this process without a word, also in the midst of the imports.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from infra.local.playground import main  # noqa: E402 - see above

if __name__ == "__main__":
    sys.exit(main())
