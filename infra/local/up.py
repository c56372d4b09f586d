"""Run the local Azure and the app: `python3 infra/local up`."""

import signal
import sys

# Until the event loop handles Ctrl-C, it ends this process silently, even during the imports.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from infra.local.playground import main  # noqa: E402 - see above

if __name__ == "__main__":
    sys.exit(main())
