#include "ring.h"

bool ring_put(struct ring *ring, long item) {
  if (ring->count == RING_CAPACITY) return false;
  ring->items[(ring->first + ring->count++) % RING_CAPACITY] = item;
  return true;
}

bool ring_take(struct ring *ring, long *item) {
  if (ring->count == 0) return false;
  *item = ring->items[ring->first];
  ring->first = (ring->first + 1) % RING_CAPACITY;
  ring->count--;
  return true;
}
