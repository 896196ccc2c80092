/** The reader of pages and the comparison must themselves be able to fail. */
import { describe, expect, test } from 'vitest';
import { stepsOf } from './blocks.ts';
import { misfit } from './expected.ts';

describe('the commands of a page', () => {
  test('are its `sh` blocks, with the `text` block that follows as what they print', () => {
    const page = '# A\n```sh\necho a\n```\nsaid:\n```text\na\n```\n```sh covered=ci\nmake\n```\n```yaml\nx: 1\n```\n';
    expect(stepsOf(page)).toEqual([
      { line: 2, commands: 'echo a\n', covered: false, expected: 'a\n' },
      { line: 9, commands: 'make\n', covered: true },
    ]);
  });

  test.each([
    ['```bash\nls\n```\n', /line 1: mark commands as `sh`/],
    ['```sh skip\nls\n```\n', /`skip` is no mark/],
    ['text\n\n    boi-node node list\n', /line 3: indented commands are not run/],
    ['```sh\nls\n', /line 1: the fence is not closed/],
    ['```fish\nls\n```\n', /is not known here/],
  ])('that could not be run are an error: %j', (page, message) => {
    expect(() => stepsOf(page)).toThrow(message);
  });
});

describe('what was printed fits a page', () => {
  test.each([
    ['a  b\n', 'a b\n'],
    ['id …, …\n', 'id nod_1, ready\n'],
    ['…\nlast\n', 'first\nsecond\nlast\n'],
    ['…\n', ''],
  ])('%j fits %j', (page, printed) => {
    expect(misfit(page, printed)).toBeUndefined();
  });

  test.each([
    ['a\n', 'b\n', /not printed, or not there: a/],
    ['a\n', 'a\nb\n', /more output than the page shows/],
    ['a…\n', 'a\nb\n', /more output/],
    ['…\nlast\n', '[exit 1]\nlast\n', /not printed, or not there: last/],
    ['1.2\n', '1x2\n', /not printed/],
  ])('%j does not fit %j', (page, printed, message) => {
    expect(misfit(page, printed)).toMatch(message);
  });
});
