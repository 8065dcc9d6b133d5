"""Notices by e-mail: who wants which, what waits to be told, one e-mail of it at a time, sent once.

A kit beneath console and desk: it knows the tables that a program gives it (:func:`mail_tables`), the program's people
and page kit, and nothing of the program. ``tables`` where it is kept, ``recipients`` who is told, ``notices`` what is
to be told, ``outbox`` the e-mails made of it, ``days`` how long ago that was, ``message`` their form,
``transport`` the way to the mail server, ``replies`` what its refusals mean, ``sender`` the round that does all that,
``choosing`` the page on which people choose, ``links`` the way out of it, ``digests`` when one is due, ``trial`` and
``listing`` what doctors and commands need.
"""
