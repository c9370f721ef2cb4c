"""`python -m rillcast.cli`."""

from rillcast.cli.main import main

main()
