#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>

#define RING_CAPACITY 8

/* A queue of fixed size; `ring_put` refuses what does not fit. */
struct ring {
  long items[RING_CAPACITY];
  size_t first;
  size_t count;
};

bool ring_put(struct ring *ring, long item);
bool ring_take(struct ring *ring, long *item);

#endif
