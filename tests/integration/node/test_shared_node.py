import pika

from support.broker import Vhost


def test_each_test_has_a_vhost_of_its_own_that_takes_connections(vhost: Vhost) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(vhost.login_url))
    assert connection.is_open
    connection.close()
