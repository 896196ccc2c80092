#include "../lib/utf8.h"
#include "check.h"

#define LENGTH(text) utf8_length(text, sizeof(text) - 1)

int main(void) {
  CHECK(LENGTH("") == 0);
  CHECK(LENGTH("plain") == 5);
  CHECK(LENGTH("gr\xc3\xbc\xc3\x9f") == 4);
  CHECK(LENGTH("\xe2\x82\xac") == 1);
  CHECK(LENGTH("\xf0\x9f\x98\x80") == 1);
  CHECK(LENGTH("\xc3") == -1);
  CHECK(LENGTH("\xc0\xaf") == -1);
  CHECK(LENGTH("\xe0\x80\x80") == -1);
  CHECK(LENGTH("\xed\xa0\x80") == -1);
  CHECK(LENGTH("\xf4\x90\x80\x80") == -1);
  CHECK(LENGTH("\x80") == -1);
  return REPORT("utf8");
}
