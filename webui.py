"""Start Easel: `python webui.py [flags]`, `python webui.py generate …` or `python webui.py info picture.png`."""

import sys

from modules.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
