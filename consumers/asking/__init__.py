"""What people at the desk ask of the router, over the line that carries the documents.

``requests`` how each kind of question is asked, ``answers`` what comes back, ``inquirer`` takes its turn and asks.
"""
