"""Private data: encrypted by producers with a key a person, unreadable once that is destroyed."""
