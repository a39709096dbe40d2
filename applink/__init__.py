"""Operations that Salesforce calls: quotes made at once, and as jobs with callbacks (DESIGN section 6).

    context         x-client-context -> Caller          trust          is the caller who it says it is
    org             what is asked of an org, as values   salesforce     the one sender, over the heroku-applink SDK
    opportunities   SOQL -> OpportunityToPrice           quotes         intent, graph, rows: one quote, never two
    quote_rows      a quote as rows and events           quote_changes  updateQuote, deleteQuote: the org first
    jobs, outbox    the queue and the callbacks owed     worker         who works them off
    gate, places    how many calls an org gets at a time
    operations      one file an operation                endpoints, openapi   routes and contract from those files

Knows nothing of OData: what it writes is visible there because the rows are the same.
"""
