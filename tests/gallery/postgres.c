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
    // This starts one, and ends it when we end; our output is not to be mixed with its.
    if (getenv("PGPORT") == NULL && dup2(1, 3) == 3 && dup2(2, 1) == 1)
        execlp("pg_virtualenv", "pg_virtualenv", argv[0], argv[1], argv[2], NULL);
    dup2(3, 1);
    char version[20];
    snprintf(version, sizeof version, "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
    return play(argv, version, asks, ask, 8);
}
