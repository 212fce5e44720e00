"""The demo: two invented businesses, loaded by the same functions that serve real ones, and the processes around them.

businesses.py says what they are; loading.py opens them; trading.py sells, books and collects over the past months and the
next weeks; credentials.py makes the file that tells a reader how to get in; processes.py runs server and worker.
"""
