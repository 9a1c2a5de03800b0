"""`python -m metrics` prints the page about what is measured, `docs/metrics.md`."""

from metrics.docs import page

if __name__ == "__main__":
    print(page(), end="")
