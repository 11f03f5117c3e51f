// name: PostgreSQL's libpq
// kind: C, connections in threads and in children
// need: /usr/include/postgresql/libpq-fe.h libpq-dev
// need: pg_virtualenv postgresql
// flags: -I/usr/include/postgresql -lpq
// forks: 700
// bare: seldom
// when: full
#include "gallery.h"

#include <libpq-fe.h>

// Where the server is stands in the environment.
static bool asks(void) {
    PGconn *connection = PQconnectdb("");
    PGresult *result = PQexec(connection, "SELECT sum(n) FROM generate_series(1, 10) n");
    bool right = PQresultStatus(result) == PGRES_TUPLES_OK && strcmp(PQgetvalue(result, 0, 0), "55") == 0;
    PQclear(result);
    PQfinish(connection);
    return right;
}

static void ask(void) { asks(); }
int main(int argc, char **argv) {
    // Starts one, and ends it when we end.
    if (getenv("PGPORT") == NULL) execlp("pg_virtualenv", "pg_virtualenv", argv[0], argv[1], argv[2], NULL);
    char version[20];
    snprintf(version, sizeof version, "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
    return asks() ? play(argv, version, asks, ask, 8) : 1;
}
