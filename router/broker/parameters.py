"""What pika is told of a connection: where to, as whom, how long it may take, and by which TLS."""

from pika import PlainCredentials, SSLOptions, URLParameters

from router.broker.tuning import Tuning
from router.tls.contexts import ClientContext


def parameters_of(
    url: str, *, user: str = "", password: str = "", name: str, tuning: Tuning, tls: ClientContext
) -> URLParameters:
    """The parameters of a URL; the arguments are those of :class:`router.broker.session.Session`."""
    parameters = URLParameters(url)
    if user:
        parameters.credentials = PlainCredentials(user, password)
    if parameters.ssl_options is not None:
        name_there = parameters.ssl_options.server_hostname or parameters.host  # whose place an address may take
        parameters.ssl_options = SSLOptions(tls, name_there)
    parameters.heartbeat = tuning.heartbeat
    parameters.socket_timeout = tuning.socket_timeout
    parameters.stack_timeout = tuning.stack_timeout
    parameters.blocked_connection_timeout = tuning.blocked_timeout
    parameters.tcp_options = {"TCP_USER_TIMEOUT": round(tuning.tcp_user_timeout * 1000)}
    parameters.client_properties = {"connection_name": name, "product": "congvan"}
    return parameters
