"""Data sets: one file each, with its address, sha256, licence and description."""
