//! Azure: credentials, endpoints and subscriptions.
