"""What the unit sends: from its outbox folder to the router, over the line that also brings what comes.

``folder`` and ``document`` the outbox on disk, ``writing`` a command's way into it, ``watch`` takes what appears;
``body``, ``tus`` and ``upload`` bring files up in pieces, ``submit`` hands the dispatch in, ``courier`` runs it all.
"""
