"""The controller: what is decided about searches, and the service that does it."""
