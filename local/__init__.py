"""What `make run` and `make test` do on one machine: a virtual environment, and a PostgreSQL of the checkout itself.

    environment.py   .venv with pinned requirements; standard library only, for it runs before anything is installed
    trouble.py       one clear line with the way out; lines that say what is going on
    account.py       as root: the account that PostgreSQL runs as, and how a command is run as it
    cluster.py       a PostgreSQL data directory with its server: made, started, shared, stopped
    servers.py       the servers there are: embedded, for tests, Debian's with pg_trgm, one named by a URL
    pooler.py        PgBouncer before a database, for tests
    web.py           a web server of its own for tests and measurements: gunicorn on a free port
    run.py           `make run` and `make demo`; demo.py: its data and credentials; tools.py: make db, seed, clean
    supervisor.py    the worker of both lives again whenever it dies
    versions.py      PostgreSQL 14 to 18 for make test-postgres

Nothing that is deployed imports this package.
"""
