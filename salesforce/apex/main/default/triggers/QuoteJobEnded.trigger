/** Jobs that startQuotes began end with this event, and so do those whose callback could not be delivered in time. */
trigger QuoteJobEnded on Quote_Job__e (after insert) {
    List<Task> told = new List<Task>();
    for (Quote_Job__e ended : Trigger.new) {
        if (String.isBlank(ended.RequestedBy__c)) {
            continue; // asked for with a credential of the gateway's own: nobody to tell
        }
        told.add(
            new Task(
                Subject = ended.QuoteCount__c.intValue() + ' quotes made, ' + ended.ErrorCount__c.intValue() + ' not',
                Description = 'Job ' + ended.JobId__c + ' is ' + ended.Status__c + '.',
                OwnerId = ended.RequestedBy__c,
                Status = 'Completed'
            )
        );
    }
    insert told;
}
