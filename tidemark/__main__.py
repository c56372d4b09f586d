"""`python -m tidemark`, and what the console script `tidemark` runs."""

from tidemark.cli import main

if __name__ == "__main__":
    main()
