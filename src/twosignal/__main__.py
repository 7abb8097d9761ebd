"""`python -m twosignal`: takes the command line, gives the exit code."""

import sys

from twosignal.cli import main

sys.exit(main())
