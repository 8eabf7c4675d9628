"""What the parts of the service say to each other: messages, states, the queue, the storage."""
