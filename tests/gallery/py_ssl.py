# name: CPython: ssl
# kind: Python, OpenSSL
# need: /usr/bin/python3.11 python3.11
# forks: 1000
# bare: seldom
import platform
import ssl

from gallery import play


def ciphers():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return [cipher["name"] for cipher in context.get_ciphers()]


expected = ciphers()
version = f"{platform.python_version()}, {ssl.OPENSSL_VERSION[:13]}"
play(version, lambda: ciphers() == expected, ciphers, ciphers)
