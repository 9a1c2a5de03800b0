"""`python -m scenarios` prints the page about scenario files, `docs/scenarios.md`."""

from scenarios.docs import page

if __name__ == "__main__":
    print(page(), end="")
