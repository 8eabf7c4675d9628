"""The controller, its REST interface and the dashboard; the only owner of Postgres."""
