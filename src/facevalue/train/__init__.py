"""Training the instruments that the package carries; the only room with torch (extra `train`)."""
