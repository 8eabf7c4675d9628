"""A measurement of the service under the load of simulated workers."""
