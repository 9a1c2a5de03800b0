"""Tables and figures for a paper: what the turns of one or several runs come to, as LaTeX, CSV and PDF."""
