/* textsum FILE: CRC-32, bytes, code points and the longest of the last eight lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/crc32.h"
#include "../lib/ring.h"
#include "../lib/utf8.h"

#define SIZE_MAX_BYTES (1 << 20)

int main(int argc, char **argv) {
  static char text[SIZE_MAX_BYTES];
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: textsum FILE\n");
    return 2;
  }
  size_t size = fread(text, 1, sizeof text, file);
  fclose(file);

  struct ring last = {{0}, 0, 0};
  const char *line = text;
  while (line < text + size) {
    const char *end = memchr(line, '\n', (size_t)(text + size - line));
    if (end == NULL) end = text + size;
    long dropped;
    while (!ring_put(&last, (long)(end - line))) ring_take(&last, &dropped);
    line = end + 1;
  }
  long longest = 0, length;
  while (ring_take(&last, &length))
    if (length > longest) longest = length;

  printf("crc32 %08lx, %zu bytes, %ld code points, longest of the last lines %ld bytes\n",
         (unsigned long)crc32_of(0, text, size), size, utf8_length(text, size), longest);
  return EXIT_SUCCESS;
}
