// name: OpenSSL
// kind: C, handshakes with one SSL_CTX
// need: /usr/include/openssl/ssl.h libssl-dev
// flags: -lssl -lcrypto
// forks: 400
// bare: hangs
#include "gallery.h"

#include <openssl/ssl.h>

static SSL_CTX *context;

// Both ends, without a certificate, joined by a pair of BIOs.
static bool shakes_hands(void) {
    BIO *near, *far;
    SSL *client = SSL_new(context), *server = SSL_new(context);
    if (!BIO_new_bio_pair(&near, 0, &far, 0)) return false;
    SSL_set_bio(client, near, near);
    SSL_set_bio(server, far, far);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    for (int i = 0; i < 4; i++) SSL_do_handshake(client), SSL_do_handshake(server);
    char text[5] = "";
    bool done = SSL_write(client, "well", 4) == 4 && SSL_read(server, text, 4) == 4 && strcmp(text, "well") == 0;
    SSL_free(client);
    SSL_free(server);
    return done;
}
static void shake_hands(void) { shakes_hands(); }

int main(int argc, char **argv) {
    context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_dh_auto(context, 1);
    if (!SSL_CTX_set_cipher_list(context, "aNULL:@SECLEVEL=0") || !shakes_hands()) return 1;
    return play(argv, OpenSSL_version(OPENSSL_VERSION_STRING), shakes_hands, shake_hands, HAMMERS);
}
