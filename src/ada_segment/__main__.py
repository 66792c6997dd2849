"""`python -m ada_segment` is the command line."""

from ada_segment.cli import main

if __name__ == "__main__":
    main()
