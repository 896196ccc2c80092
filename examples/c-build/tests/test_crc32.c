#include "../lib/crc32.h"
#include "check.h"

int main(void) {
  CHECK(crc32_of(0, "", 0) == 0);
  CHECK(crc32_of(0, "123456789", 9) == 0xcbf43926);
  CHECK(crc32_of(crc32_of(0, "1234", 4), "56789", 5) == 0xcbf43926);
  CHECK(crc32_of(0, "\0\0\0\0", 4) == 0x2144df1c);
  return REPORT("crc32");
}
