"""Projects the journal into the audit stream and the ledger."""
