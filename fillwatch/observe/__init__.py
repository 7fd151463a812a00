"""SHOWS: what a journal tells, as values and as text. Reads only; nothing here sends anything to a broker."""
