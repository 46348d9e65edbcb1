"""`python -m towpath_cli` is `towpath`."""

from towpath_cli.app import main

if __name__ == "__main__":
    main()
