// name: libcurl
// kind: C, looks names up in threads
// need: /usr/bin/curl-config libcurl4-openssl-dev
// flags: -lcurl
// forks: 100
// bare: hangs
// when: full
#include "gallery.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <netinet/in.h>

static char url[64];

static void *serve(void *listener) {
    const char answer[] = "HTTP/1.0 200 OK\r\n\r\nwell";
    char request[4096];
    for (int client; (client = accept(*(int *)listener, NULL, NULL)) >= 0; close(client))
        if (read(client, request, sizeof request) > 0) send(client, answer, sizeof answer - 1, MSG_NOSIGNAL);
    return NULL;
}
static size_t keep(char *data, size_t one, size_t length, void *into) {
    memcpy(into, data, length > 4 ? 4 : length);
    return length;
}
static bool gets(void) {
    char answer[5] = "";
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
}
