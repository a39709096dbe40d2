"""A Salesforce org, the AppLink add-on and the service mesh, for `make run` and the tests; nothing of it is deployed.

    app.py         one event loop: HTTP in, HTTP out; faults, latency and limits around every call; READ THIS FIRST
    world.py       the state of everything: orgs, users, tokens, settings, faults, the record of requests
    rest.py        the org's REST API: which path means what
    describe.py    the objects and fields there are        computed.py   fields the org calculates when it is read
    store.py       records of one org, with undo           data.py       the records an org starts with
    soql.py        text -> Query                           query.py      Query -> records, with paging
    sobjects.py    create, update, upsert, delete          graph.py      several of them, all or nothing
    login.py       token endpoint, userinfo                addon.py      the AppLink add-on
    callbacks.py   where jobs report to Apex               control.py    /__sim/...: what tests ask and set
    running.py     a simulator as a context manager, for tests
    mesh.py        the service mesh as a reverse proxy     mesh_rules.py  what it lets through, from its YAML file
    caller.py      Apex and Flow as callers                context.py     the three headers, good and malformed
    asking.py      ask, watch, judge                       verdict.py     do asked, org, rows and callback agree
    org_client.py  the org as a caller needs it            rows.py        the gateway's sets Jobs and Quotes
    exchange.py    one HTTP exchange as values             cli.py         gateway sim ...
    demo.py        a record page, `make demo`; page/       story.py       its 200 quotes, from the click to the verdict
    connect.py     what Salesforce Connect would send      worker_process.py  the worker, to be killed

What the gateway sees is as close to the real thing as public documents tell; where they are silent the stricter rule is
taken, and the docstring says so. No credential here opens anything: they are made up, and the port is on loopback.
"""
