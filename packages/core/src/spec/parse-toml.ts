/** TOML with positions. Stops at the first fault of syntax; a duplicate key is one. Dates have no place in a spec. */
import { type AST, ParseError, parseTOML } from 'toml-eslint-parser';
import { SPEC_LIMITS } from './limits.ts';
import type { ListNode, MapEntry, MapNode, ParsedSource, Path, SourceNode, SyntaxFault } from './source-tree.ts';

interface OpenMap extends MapNode {
  readonly entries: Map<string, MapEntry>;
}
interface OpenList extends ListNode {
  readonly items: SourceNode[];
}

const TOO_MUCH = `nested deeper than ${SPEC_LIMITS.depthMax} levels, or a number of thousands of digits`;

export function parseToml(source: string): ParsedSource {
  const signs = source.match(/[[{,=]/g)?.length ?? 0;
  if (signs > SPEC_LIMITS.tomlSignsMax)
    return { faults: [{ start: 0, message: 'too many values for TOML; generate JSON for a spec of this size' }] };
  let program: AST.TOMLProgram;
  try {
    program = parseTOML(source);
  } catch (error) {
    if (error instanceof ParseError) return { faults: [{ start: error.index, message: error.message }] };
    // The library reads nested values, and long numbers, by recursion and by spreading their characters.
    if (error instanceof RangeError) return { faults: [{ start: 0, message: TOO_MUCH }] };
    throw error;
  }
  const builder = new TreeBuilder();
  for (const node of program.body[0].body) {
    if (node.type === 'TOMLKeyValue') builder.put(builder.root, [], node);
    else builder.table(node);
  }
  return { root: builder.root, faults: builder.faults };
}

class TreeBuilder {
  readonly faults: SyntaxFault[] = [];
  readonly root: OpenMap = { kind: 'map', entries: new Map(), start: 0 };

  table(table: AST.TOMLTable): void {
    const start = table.range[0];
    if (this.#tooDeep(table.resolvedKey, start)) return;
    let node: SourceNode = this.root;
    table.resolvedKey.forEach((step, i) => {
      // A number follows where an array of tables stands.
      const list = typeof table.resolvedKey[i + 1] === 'number';
      const empty: OpenMap | OpenList = list
        ? { kind: 'list', items: [], start }
        : { kind: 'map', entries: new Map(), start };
      if (node.kind === 'list' && typeof step === 'number') {
        if (node.items[step] === undefined) (node as OpenList).items[step] = empty;
        node = node.items[step] as SourceNode;
      } else if (node.kind === 'map') node = child(node as OpenMap, String(step), start, empty);
    });
    for (const pair of table.body) this.put(node, table.resolvedKey, pair);
  }

  /** Puts `a.b = value` below `node`, which stands at `path`. */
  put(node: SourceNode, path: Path, pair: AST.TOMLKeyValue): void {
    const steps = pair.key.keys.map((key) => (key.type === 'TOMLBare' ? key.name : key.value));
    const full = [...path, ...steps];
    if (this.#tooDeep(full, pair.range[0])) return;
    let parent = node;
    pair.key.keys.slice(0, -1).forEach((key, i) => {
      const start = key.range[0];
      if (parent.kind === 'map')
        parent = child(parent as OpenMap, steps[i] as string, start, { kind: 'map', entries: new Map(), start });
    });
    const last = steps[steps.length - 1] as string;
    const keyStart = (pair.key.keys.at(-1) as AST.TOMLBare).range[0];
    if (parent.kind === 'map')
      (parent as OpenMap).entries.set(last, { key: last, keyStart, value: this.#value(pair.value, full) });
  }

  #value(node: AST.TOMLContentNode, path: Path): SourceNode {
    const start = node.range[0];
    if (this.#tooDeep(path, start)) return { kind: 'scalar', value: null, start };
    if (node.type === 'TOMLArray')
      return { kind: 'list', items: node.elements.map((item, i) => this.#value(item, [...path, i])), start };
    if (node.type === 'TOMLInlineTable') {
      const map: OpenMap = { kind: 'map', entries: new Map(), start };
      for (const pair of node.body) this.put(map, path, pair);
      return map;
    }
    if (node.kind === 'string' || node.kind === 'boolean') return { kind: 'scalar', value: node.value, start };
    if ((node.kind === 'integer' || node.kind === 'float') && Number.isFinite(node.value))
      return { kind: 'scalar', value: node.value, raw: node.number, start };
    this.faults.push({ start, path, message: 'dates and infinite numbers are not used in a spec; write it in quotes' });
    return { kind: 'scalar', value: null, start };
  }

  #tooDeep(path: Path, start: number): boolean {
    if (path.length <= SPEC_LIMITS.depthMax) return false;
    this.faults.push({ start, message: `nested deeper than ${SPEC_LIMITS.depthMax} levels` });
    return true;
  }
}

function child(parent: OpenMap, key: string, start: number, empty: SourceNode): SourceNode {
  const known = parent.entries.get(key);
  if (known !== undefined) return known.value;
  parent.entries.set(key, { key, keyStart: start, value: empty });
  return empty;
}
