"""The controller: it decides what becomes of searches, in threads beside the REST interface."""
