import { describe, expect, it } from 'vitest';
import { issues, tasks, x } from '../testing/spec-file.ts';
import { type ParseSpecOptions, parseSpec } from './parse-spec.ts';

describe('variables', () => {
  const source = `vars: {target: staging, n: 2, fast: true}
name: deploy to ${x('vars.target')}
tasks:
  - {ref: a, run: 'deploy ${x(' vars.target ')} $HOME \${HOME} $${x('vars.target')}', count: '${x('vars.n')}', exclusive: '${x('vars.fast')}'}
`;

  it('stand for their defaults, as numbers and booleans too; the shell keeps its own', () => {
    const result = parseSpec(source, 'yaml');
    expect(result.ok && result.spec.name).toBe('deploy to staging');
    expect(tasks(source)).toEqual(
      [1, 2].map((i) => ({
        ref: `a[${i}]`,
        run: `deploy staging $HOME \${HOME} ${x('vars.target')}`,
        exclusive: true,
      })),
    );
  });

  it('are replaced by --set', () => {
    expect(tasks(source, { set: { n: '3', target: 'prod', fast: 'false' } }).map((task) => task.ref)).toEqual([
      'a[1]',
      'a[2]',
      'a[3]',
    ]);
    expect(issues(source, { set: { n: 'many' } })).toEqual([
      '4:87 /tasks/0/count must be a whole number from 1 to 1048575, not "many"',
    ]);
  });

  it('must be declared', () => {
    expect(issues(source, { set: { traget: 'prod', n: '1' } })).toEqual([
      'undefined:undefined /vars/traget --set traget: there is no such variable; did you mean "target"? (declared: target, n, fast)',
    ]);
    expect(issues(`tasks: [{ref: a, run: "${x('vars.n')}"}]`)).toEqual(['1:23 /tasks/0/run there is no variable "n"']);
  });

  it('bring in text, never an expression', () => {
    const [task] = tasks(source, { set: { target: x('index'), n: '1' } });
    expect(task?.run).toBe(`deploy ${x('index')} $HOME \${HOME} ${x('vars.target')}`);
  });

  it('change the digest, as the source and the format do', () => {
    const digest = (text: string, options: ParseSpecOptions = {}) => {
      const result = parseSpec(text, 'yaml', options);
      return result.ok ? result.digest : '';
    };
    expect(digest(source)).toBe(digest(source));
    expect(digest(source, { set: { n: '3' } })).not.toBe(digest(source));
    expect(digest(`${source}\n`)).not.toBe(digest(source));
    expect(digest(source, { set: { n: '3', target: 'p' } })).toBe(digest(source, { set: { target: 'p', n: '3' } }));
  });

  it.each([
    [x('env.A'), '"env.A" is not an expression: use vars.NAME, matrix.AXIS or index'],
    [x('vars'), '"vars" is not an expression: use vars.NAME, matrix.AXIS or index'],
    [
      '$'.concat('{{index'),
      `\`${'$'.concat('{{')}\` is not closed by \`}}\`; write \`$${'$'.concat('{{')}\` for a literal one`,
    ],
    [x('index'), `${x('index')} is for tasks with count`],
    [x('matrix.cc'), `${x('matrix.cc')} is for tasks with a matrix`],
  ])('%s is refused', (text, message) => {
    expect(issues(JSON.stringify({ tasks: [{ ref: 'a', run: text }] }), {}, 'json')).toEqual([
      `1:28 /tasks/0/run ${message}`,
    ]);
  });
});
