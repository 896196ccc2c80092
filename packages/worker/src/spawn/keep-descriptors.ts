/**
 * Keeps from tasks (and from all else that this process starts) the descriptors that it was itself started with: a pipe of a
 * supervisor, a lock of a script, a file of a shell's `<( )`. They stay open here, since something may still read them, and
 * close when a program is started. Node has no call for that, so it is the C library's.
 */
import { inheritableDescriptors } from '@boi/system';

/** F_SETFD and FD_CLOEXEC of <fcntl.h>, the same on every Linux. */
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Answers those that tasks would get all the same; all that there are where the C library cannot be called. */
export async function keepDescriptors(): Promise<number[]> {
  const found = inheritableDescriptors();
  if (found.length === 0) return found;
  try {
    const { default: koffi } = await import('koffi');
    const fcntl = koffi.load(null).func('int fcntl(int fd, int cmd, ...)');
    for (const fd of found) fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
  } catch {
    // What is answered says it.
  }
  return inheritableDescriptors();
}
