/**
 * YAML 1.2 (core schema) with positions, kept to what JSON can say: string keys, no tags, no infinite numbers, one
 * document. Aliases are allowed, within a budget: each use counts with all that it stands for.
 *
 * The library composes nested nodes by recursion, and a few kilobytes of `- - - -` end the process beyond what `catch`
 * can reach; so nesting is bounded while the pieces are read, before anything is composed. Reports all faults of syntax.
 */
import { Composer, type Document, isAlias, isMap, isScalar, isSeq, Lexer, type Node, Parser } from 'yaml';
import { SPEC_LIMITS } from './limits.ts';
import type { MapEntry, ParsedSource, Path, SourceNode, SyntaxFault } from './source-tree.ts';

export function parseYaml(source: string): ParsedSource {
  const faults: SyntaxFault[] = [];
  const document = compose(source, faults);
  if (document === undefined) return { faults };
  for (const { code, pos, message } of [...document.errors, ...document.warnings]) {
    if (faults.length >= SPEC_LIMITS.issuesMax) break;
    faults.push({ start: pos[0], message: MESSAGES[code] ?? message });
  }
  if (faults.length > 0) return { faults };
  const reader = new TreeReader();
  const root = document.contents === null ? empty(0) : reader.read(document.contents as Node, []).node;
  return { root, faults: reader.faults };
}

const MESSAGES: Readonly<Record<string, string>> = {
  TAG_RESOLVE_FAILED: 'tags (`!…`) are not used in a spec',
  MULTIPLE_DOCS: 'a file holds one spec; nothing may follow `---`',
  TAB_AS_INDENT: 'indent with spaces, not with tabs',
};

/** The parser keeps up to three open tokens for each level of nesting. */
const STACK_MAX = 3 * SPEC_LIMITS.depthMax;

function compose(source: string, faults: SyntaxFault[]): Document.Parsed | undefined {
  const lexer = new Lexer();
  const parser = new Parser();
  const tokens: Parameters<Composer['compose']>[0] extends Iterable<infer T> ? T[] : never = [];
  let lexemes = 0;
  let odd = 0;
  for (const lexeme of lexer.lex(source)) {
    for (const token of parser.next(lexeme)) {
      tokens.push(token);
      // The composer makes an error, with its stack, of each.
      if ((token.type === 'error' || token.type === 'directive') && ++odd > SPEC_LIMITS.issuesMax) {
        faults.push({ start: token.offset, message: 'too many faults of syntax; this is not YAML' });
        return undefined;
      }
    }
    if (parser.stack.length > STACK_MAX) {
      faults.push({ start: parser.offset, message: `nested deeper than ${SPEC_LIMITS.depthMax} levels` });
      return undefined;
    }
    if (++lexemes > SPEC_LIMITS.yamlLexemesMax) {
      faults.push({ start: parser.offset, message: 'too many values for YAML; generate JSON for a spec of this size' });
      return undefined;
    }
  }
  for (const token of parser.end()) tokens.push(token);
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    // Found here in linear time; the library compares each key with each.
    uniqueKeys: false,
    merge: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const [document, second] = [...composer.compose(tokens, true, source.length)] as Document.Parsed[];
  if (second !== undefined) faults.push({ start: second.range[0], message: MESSAGES.MULTIPLE_DOCS as string });
  return document;
}

/** A node and how many values it holds, aliases counted with all they stand for. */
interface Read {
  readonly node: SourceNode;
  readonly size: number;
}

class TreeReader {
  readonly faults: SyntaxFault[] = [];
  /** `undefined` while an anchored node is being read: an alias to it would stand within itself. */
  readonly #anchors = new Map<string, Read | undefined>();
  #aliased = 0;

  read(node: Node | null | undefined, path: Path, at = 0): Read {
    if (node === null || node === undefined) return { node: empty(at), size: 1 };
    const start = node.range?.[0] ?? at;
    if (isAlias(node)) return this.#alias(node.source, start, path);
    const anchor = 'anchor' in node ? node.anchor : undefined;
    if (anchor !== undefined) this.#anchors.set(anchor, undefined);
    const tag = 'tag' in node ? node.tag : undefined;
    if (tag !== undefined && isScalar(node) && !PLAIN_TAGS.has(tag)) {
      this.#fault(start, path, 'tags (`!!…`) are not used in a spec');
      return { node: empty(start), size: 1 };
    }
    const read = this.#content(node, start, path);
    if (anchor !== undefined) this.#anchors.set(anchor, read);
    return read;
  }

  #content(node: Node, start: number, path: Path): Read {
    let size = 1;
    if (isSeq(node)) {
      const items = node.items.map((item, i) => {
        const read = this.read(item as Node | null, [...path, i], start);
        size += read.size;
        return read.node;
      });
      return { node: { kind: 'list', items, start }, size };
    }
    if (!isMap(node)) return { node: this.#scalar(node, start, path), size };
    const entries = new Map<string, MapEntry>();
    for (const pair of node.items) {
      const keyNode = pair.key as Node | null;
      const keyStart = keyNode?.range?.[0] ?? start;
      const key = isScalar(keyNode) && typeof keyNode.value === 'string' ? keyNode.value : undefined;
      if (key === undefined) {
        this.#fault(keyStart, path, 'a key must be a plain string; put it in quotes');
        continue;
      }
      const read = this.read(pair.value as Node | null, [...path, key], keyStart);
      size += read.size;
      if (entries.has(key)) this.#fault(keyStart, [...path, key], `"${key}" is given twice; keep one`);
      else entries.set(key, { key, keyStart, value: read.node });
    }
    return { node: { kind: 'map', entries, start }, size };
  }

  #scalar(node: Node, start: number, path: Path): SourceNode {
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value === 'string' || typeof value === 'boolean' || value === null)
      return { kind: 'scalar', value, start };
    if (typeof value === 'number' && Number.isFinite(value)) {
      const raw = isScalar(node) ? node.source : undefined;
      return { kind: 'scalar', value, start, raw: raw ?? String(value) };
    }
    this.#fault(start, path, 'must be a string, a number, true or false');
    return empty(start);
  }

  #alias(name: string, start: number, path: Path): Read {
    if (!this.#anchors.has(name)) {
      this.#fault(start, path, `there is no &${name} above`);
      return { node: empty(start), size: 1 };
    }
    const target = this.#anchors.get(name);
    if (target === undefined) {
      this.#fault(start, path, `*${name} stands within &${name} itself`);
      return { node: empty(start), size: 1 };
    }
    this.#aliased += target.size;
    if (this.#aliased <= SPEC_LIMITS.aliasedValuesMax) return target;
    this.#fault(start, [], `aliases stand for more than ${SPEC_LIMITS.aliasedValuesMax} values`);
    return { node: empty(start), size: 1 };
  }

  #fault(start: number, path: Path, message: string): void {
    if (this.faults.length < SPEC_LIMITS.issuesMax) this.faults.push({ start, path, message });
  }
}

const PLAIN_TAGS = new Set(['str', 'int', 'float', 'bool', 'null'].map((name) => `tag:yaml.org,2002:${name}`));

function empty(start: number): SourceNode {
  return { kind: 'scalar', value: null, start };
}
