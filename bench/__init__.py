"""Measurements of reading, beside a floor, an ORM stack and PostgREST: `make bench`, `python -m bench --help`."""
