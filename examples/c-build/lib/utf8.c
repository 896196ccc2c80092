#include "utf8.h"

#include <stdint.h>

long utf8_length(const char *text, size_t size) {
  const unsigned char *at = (const unsigned char *)text;
  const unsigned char *end = at + size;
  long length = 0;
  while (at < end) {
    unsigned char lead = *at++;
    int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : -1;
    if (more < 0 || end - at < more) return -1;
    uint32_t point = more == 0 ? lead : lead & (0x3f >> more);
    for (int i = 0; i < more; i++, at++) {
      if ((*at & 0xc0) != 0x80) return -1;
      point = point << 6 | (*at & 0x3f);
    }
    if (more == 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) return -1;
    if (more == 3 && (point < 0x10000 || point > 0x10ffff)) return -1;
    length++;
  }
  return length;
}
