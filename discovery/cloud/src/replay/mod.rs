//! A small HTTP server on the loopback that answers with recorded files.
