//! How muster authenticates to a database that it serves, and whom it trusts to be that database.
