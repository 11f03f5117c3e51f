// sqlite_threads.c: threads that write to one database, through one connection and through one of their own.
//
//   sqlite_threads FILE THREADS ROWS      prints what is in the database in the end
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 16, BUSY_MS = 60000, BATCH = 50 };

static const char *file;
static int rows;
static sqlite3 *together;

static void check(sqlite3 *database, int result) {
    if (result == SQLITE_OK) return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
    exit(1);
}

static sqlite3 *open_database(void) {
    sqlite3 *database;
    check(NULL, sqlite3_open_v2(file, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL));
    check(database, sqlite3_busy_timeout(database, BUSY_MS));
    check(database, sqlite3_exec(database, "PRAGMA synchronous=OFF", NULL, NULL, NULL));
    return database;
}

static void insert(sqlite3 *database, const char *table, long thread, int row) {
    char *text = sqlite3_mprintf("INSERT INTO %s VALUES(%ld, %d, hex(zeroblob(50)))", table, thread, row);
    check(database, sqlite3_exec(database, text, NULL, NULL, NULL));
    sqlite3_free(text);
}

static void *live(void *argument) {
    long me = (long)argument;
    sqlite3 *own = open_database();
    for (int row = 0; row < rows; row += BATCH) {
        // In memory, each insertion for itself: threads meet at the connection's mutex all the time.
        for (int i = 0; i < BATCH; i++) insert(together, "memory.shared", me, row + i);
        check(own, sqlite3_exec(own, "BEGIN IMMEDIATE", NULL, NULL, NULL));
        for (int i = 0; i < BATCH; i++) insert(own, "own", me, row + i);
        check(own, sqlite3_exec(own, "COMMIT", NULL, NULL, NULL));
    }
    check(own, sqlite3_close(own));
    return NULL;
}

static int print_row(void *table, int columns, char **values, char **names) {
    printf("%s: ", (const char *)table);
    for (int i = 0; i < columns; i++) printf("%s %s%s", names[i], values[i], i + 1 < columns ? ", " : "\n");
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    file = argv[1];
    int threads = atoi(argv[2]);
    rows = atoi(argv[3]);
    if (threads < 1 || threads > MAX_THREADS) return 2;
    together = open_database();
    check(together, sqlite3_exec(together,
                                 "PRAGMA journal_mode=WAL; CREATE TABLE own(thread, row, text);"
                                 "ATTACH ':memory:' AS memory; CREATE TABLE memory.shared(thread, row, text)",
                                 NULL, NULL, NULL));
    pthread_t ids[MAX_THREADS];
    for (long i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, live, (void *)i) != 0) return 1;
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    static const char *const tables[] = {"memory.shared", "own"};
    for (int i = 0; i < 2; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "SELECT count(*) AS count, sum(row) AS sum, count(DISTINCT thread) AS threads, "
                 "sum(length(text)) AS bytes FROM %s", tables[i]);
        check(together, sqlite3_exec(together, text, print_row, (void *)tables[i], NULL));
    }
    check(together, sqlite3_exec(together, "PRAGMA integrity_check", print_row, "check", NULL));
    check(together, sqlite3_close(together));
    return 0;
}
