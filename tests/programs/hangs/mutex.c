// A mutex of a library.

#include "keeper.h"

void plugin_hold(void (*meanwhile)(void));
void plugin_use(void);

void keep(void) { plugin_hold(kept); }

void need(void) { plugin_use(); }

int main(void) { return run_keeper(); }
