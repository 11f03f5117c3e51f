// name: OpenSSL
// kind: C, a context for each connection
// need: /usr/include/openssl/ssl.h libssl-dev
// flags: -lssl -lcrypto
// forks: 3000
// bare: seldom
#include "gallery.h"

#include <openssl/ssl.h>

static bool makes_a_context(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    bool done = context != NULL && SSL_CTX_set_cipher_list(context, "HIGH") == 1;
    SSL *client = SSL_new(context);
    done = done && client != NULL && sk_SSL_CIPHER_num(SSL_get_ciphers(client)) > 10;
    SSL_free(client);
    SSL_CTX_free(context);
    return done;
}

static void make_a_context(void) { makes_a_context(); }

int main(int argc, char **argv) {
    return play(argv, OpenSSL_version(OPENSSL_VERSION_STRING), makes_a_context, make_a_context, HAMMERS);
}
