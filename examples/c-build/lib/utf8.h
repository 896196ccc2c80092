#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>

/* The number of code points in well-formed UTF-8, or -1. Overlong forms, surrogates and what lies beyond U+10FFFF are ill-formed. */
long utf8_length(const char *text, size_t size);

#endif
