"""Downloaders and unpackers against the named faults: the server, the calls, the cases, the judge and the page."""
