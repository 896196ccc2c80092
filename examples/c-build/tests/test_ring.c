#include "../lib/ring.h"
#include "check.h"

int main(void) {
  struct ring ring = {{0}, 0, 0};
  long item = -1;
  CHECK(!ring_take(&ring, &item));
  for (long round = 0; round < 5; round++) {
    for (long i = 0; i < RING_CAPACITY; i++) CHECK(ring_put(&ring, round * 100 + i));
    CHECK(!ring_put(&ring, 999));
    for (long i = 0; i < RING_CAPACITY; i++) CHECK(ring_take(&ring, &item) && item == round * 100 + i);
    /* One in and one out moves the start, so that the next round wraps around. */
    CHECK(ring_put(&ring, 7) && ring_take(&ring, &item) && item == 7);
  }
  return REPORT("ring");
}
