"""`python -m thirtytwo`, the same as the command `thirtytwo`."""

import sys

from thirtytwo.cli.main import main

sys.exit(main())
