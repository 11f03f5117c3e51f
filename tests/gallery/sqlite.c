// name: SQLite
// kind: C, threads share a connection
// need: /usr/include/sqlite3.h libsqlite3-dev
// flags: -lsqlite3
// forks: 400
// bare: hangs
#include "gallery.h"

#include <sqlite3.h>

static sqlite3 *together;

static void insert(void) {
    sqlite3_exec(together, "INSERT INTO log VALUES(hex(randomblob(9))); DELETE FROM log", NULL, NULL, NULL);
}

// In a database of its own, as connections must not go through a fork.
static bool adds_up(void) {
    sqlite3 *own;
    sqlite3_stmt *sum;
    const char text[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n LIMIT 10) SELECT sum(i) FROM n";
    return sqlite3_open(":memory:", &own) == SQLITE_OK && sqlite3_prepare_v2(own, text, -1, &sum, NULL) == SQLITE_OK &&
           sqlite3_step(sum) == SQLITE_ROW && sqlite3_column_int(sum, 0) == 55;
}

int main(int argc, char **argv) {
    if (sqlite3_open(":memory:", &together) != SQLITE_OK) return 1;
    sqlite3_exec(together, "CREATE TABLE log(record)", NULL, NULL, NULL);
    return play(argv, sqlite3_libversion(), adds_up, insert, HAMMERS);
}
