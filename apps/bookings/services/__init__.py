"""Changes of bookings, by story: scheduling, endings, package sessions, series, occurrences, documents, reviews."""
