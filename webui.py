"""Start Easel: `python webui.py [flags]`, `python webui.py generate …`, `info picture.png` or `models list`."""

import sys

from modules.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
