"""``python -m pfd``: the command ``pfd``."""

from pfd.cli.main import main

if __name__ == "__main__":
    main()
