#ifndef CRC32_H
#define CRC32_H

#include <stddef.h>
#include <stdint.h>

/* The CRC-32 of zip and PNG (polynomial 0xEDB88320, reflected) of `size` bytes; `before` is 0 or the CRC of what precedes them. */
uint32_t crc32_of(uint32_t before, const void *bytes, size_t size);

#endif
