/**
 * A wall clock that can be set, for one process: libfaketime, of Debian's package `faketime`, which reads the offset from a
 * file at every look at the clock. The monotonic clock is left alone, as by a real jump.
 */
import { existsSync, writeFileSync } from 'node:fs';

const LIBRARIES = ['x86_64', 'aarch64'].map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketimeMT.so.1`);

export class FakeTime {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.set(0);
  }

  /** For the process whose clock it is. Throws when the library is not there. */
  get env(): Readonly<Record<string, string>> {
    const library = LIBRARIES.find((path) => existsSync(path));
    if (library === undefined)
      throw new Error(
        `libfaketime is not at ${LIBRARIES.join(' or ')}: install the package faketime (\`make test\` does)`,
      );
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#path,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** Seconds ahead of the real clock, or behind it. */
  set(offsetS: number): void {
    writeFileSync(this.#path, `${offsetS < 0 ? '-' : '+'}${Math.abs(offsetS)}s\n`);
  }
}
