"""Bringing old data into this schema, and putting right what an old migration did."""
