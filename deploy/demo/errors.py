"""What can go wrong in the demonstration.

::

    DeployError
    └── DemoError                 a dispatch was refused, or did not arrive everywhere in time
"""

from deploy.errors import DeployError


class DemoError(DeployError):
    """The demonstration did not end as it should."""
