"""Security of the connections: who we are to the services, and that nobody listens."""
