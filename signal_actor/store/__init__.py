"""Store: every query there is, one file a noun. A verb is a plain function of a connection, inside a transaction
that its caller owns. Times are milliseconds since 1970."""
