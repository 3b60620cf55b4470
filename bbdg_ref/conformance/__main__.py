"""``python -m bbdg_ref.conformance``: the command line of the conformance kit."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())
