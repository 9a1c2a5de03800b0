"""The report of a run: what it came to, what is wrong and where the time went, as a document."""
