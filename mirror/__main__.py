"""``python -m mirror`` is ``ctdlmirror``."""

from mirror.cli.entry import main

if __name__ == "__main__":
    main()
